/* SPDX-License-Identifier: Apache-2.0 */
/* auth: the Authorization header for one repository. Looks for a credential when the registry asks,
 * gets and renews tokens, shares them with the other programs of a run. Decides nothing about where
 * a header may go: registry does, and http never takes one to another host. */
#ifndef AUTH_H
#define AUTH_H

#include "credential.h"
#include "error.h"
#include "http.h"
#include "reference.h"

struct auth;

/* HTTP and REPOSITORY are borrowed; SHARED_DIR too, NULL when nothing is shared. CREDENTIAL (copied)
 * is used in place of what the user's config has, and nothing is shared then; NULL: look there.
 * SCOPE is what to ask for where the registry does not say; NULL: "repository:<name>:pull,push"; ""
 * for none (a login). Ends the program when there is no memory. */
struct auth *auth_new(struct http *http, const struct reference *repository,
		      const char *shared_dir, const struct credential *credential,
		      const char *scope);
void auth_free(struct auth *a);

/* Sets *HEADER to the value for the next request, NULL for none; borrowed until the next call. A
 * token that has lived 80 % of its life is renewed first; where that fails for the moment the old
 * one is tried. -1: STATUS_INTERRUPTED. */
int auth_header(struct auth *a, const char **header, struct error *e);

/* After an answer 401 with CHALLENGES (the header's lines) from URL to a request with the current
 * header: 1 when there is another header to try, 0 when the refusal stands, -1 with E: the token
 * service refused (STATUS_DENIED), is down (STATUS_TEMPORARY), ... */
int auth_answer(struct auth *a, const char *challenges, const char *url, struct error *e);

/* Adds to E, if it is STATUS_DENIED, what it means for the user, e.g. "no credentials for it were
 * found: cog-login r.io". Returns -1. */
int auth_explain(const struct auth *a, struct error *e);

#endif
