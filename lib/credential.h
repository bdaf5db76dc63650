/* SPDX-License-Identifier: Apache-2.0 */
/* credential: what a user already has for a registry. Sources in order, the first that knows the
 * registry wins:
 *
 *   DOCKER_AUTH_CONFIG	              JSON in the environment; the file $COG_AUTH_CONFIG under cog-run
 *   $REGISTRY_AUTH_FILE
 *   $DOCKER_CONFIG/config.json or ~/.docker/config.json
 *   $XDG_RUNTIME_DIR/containers/auth.json or /run/containers/<uid>/auth.json
 *   $XDG_CONFIG_HOME/containers/auth.json or ~/.config/containers/auth.json
 *
 * In each: credHelpers, credsStore, auths, the latter by namespaced keys, most specific first. A bad
 * file or entry is a warning that names it, never its content. cog-auth(7) is the user's page. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "credhelper.h"
#include "error.h"
#include "reference.h"

#include <stdbool.h>
#include <stddef.h>

#define CREDENTIAL_USER_SIZE CREDHELPER_USER_SIZE
#define CREDENTIAL_SECRET_SIZE CREDHELPER_SECRET_SIZE

enum credential_kind {
	CREDENTIAL_NONE,
	CREDENTIAL_PASSWORD,
	CREDENTIAL_IDENTITY_TOKEN, /* an OAuth2 refresh token */
	CREDENTIAL_REGISTRY_TOKEN, /* a bearer token, sent as it is */
};

struct credential {
	enum credential_kind kind;
	char user[CREDENTIAL_USER_SIZE];
	char secret[CREDENTIAL_SECRET_SIZE];
};

/* Looks for the credential of the repository's registry. Returns 0, also when there is none (kind
 * CREDENTIAL_NONE). May run a helper, which takes up to 30 s. -1: STATUS_INTERRUPTED. */
int credential_find(const struct reference *repository, struct credential *c, struct error *e);

/* Wipes the secret. */
void credential_clear(struct credential *c);

/* Stores or (C NULL) removes the credential of REGISTRY ("host[:port]", "docker.io") where docker
 * does: through the helper that its config names for it, else in the file itself (0600, replaced
 * atomically, all else in it kept). WHERE says what was written. credential_store() returns 1 when
 * there was nothing to remove, 0, or -1. */
int credential_store(const char *registry, const struct credential *c, char *where,
		     size_t where_size, struct error *e);

#endif
