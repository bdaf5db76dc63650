/* SPDX-License-Identifier: Apache-2.0 */
/* registry: the verbs of the OCI distribution spec for one repository, one request each. Knows the
 * shapes of answers; does not retry, split or decide (upload does).
 *
 * Functions return 0, or -1 with E naming the request and the answer: STATUS_DENIED for 401 and
 * 403, STATUS_TEMPORARY for 408, 429, 5xx and a peer that could not be reached or went away,
 * STATUS_INTERRUPTED, else STATUS_FAILED. All of them block. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "auth.h"
#include "credential.h"
#include "digest.h"
#include "error.h"
#include "http.h"
#include "location.h"
#include "reference.h"
#include "trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A private directory that programs of one run share, may be unset: "scheme.<host>" says how a
 * loopback registry is spoken to, "session" holds an upload session that is open already. */
#define REGISTRY_SHARED_ENV "COG_TOKEN_DIR"

struct registry {
	struct http *http;
	struct auth *auth;
	struct trust trust;
	struct http_response response; /* of the last request */
	struct reference repository;
	const char *shared_dir; /* borrowed from the environment; NULL when unset */
	bool is_https;
	bool is_scheme_known; /* else https is tried first, and http where this machine speaks no
				 TLS */
	bool has_warned;      /* of http:// Locations */
	bool takes_no_probe;  /* set by its user: a mount from the repository itself was refused */
};

/* An upload session. */
struct session {
	char location[LOCATION_SIZE]; /* for the next request; replaced by every answer that has one
				       */
	int64_t chunk_min, chunk_max; /* announced, bytes; 0: not */
};

/* Makes R ready; asks nothing of the network. R must not move after that. CREDENTIAL is for a
 * login: used in place of what the user's config has; NULL else. */
int registry_open(struct registry *r, const struct reference *repository,
		  const struct trust_options *trust, const struct credential *credential,
		  struct error *e);

/* Accepts a zeroed R. */
void registry_release(struct registry *r);

/* GET /v2/: whether there is a registry at all. It may want credentials. STATUS_FAILED when
 * something else answers. */
int registry_ping(struct registry *r, struct error *e);

/* GET /v2/ with the credential: whether the registry takes it. STATUS_DENIED when not. */
int registry_login(struct registry *r, struct error *e);

/* 1 when the blob is there, 0 when it is not or the registry does not tell (it may refuse HEAD and
 * take the upload), -1. A redirect to a store means that it is there and is not followed (the
 * URL may be signed for GET alone); one to another /v2/ is. */
int registry_has_blob(struct registry *r, const struct digest *d, struct error *e);

/* A blob to mount: the registry has it in another repository, FROM. Borrowed. */
struct mount {
	const struct digest *digest;
	const char *from;
};

/* POST: opens an upload session. With M (may be NULL) asks for a mount first: the status of the
 * answer is 201 when that was done, and S is empty then. */
int registry_start(struct registry *r, struct session *s, const struct mount *m, struct error *e);

/* GET: asks the session where it is: answer_range(). Follows its Location. */
int registry_status(struct registry *r, struct session *s, struct error *e);

/* DELETE: gives a session up. Registries purge those that are left, so a failure is none, and an answer is
 * waited for 10 seconds at most. */
void registry_cancel(struct registry *r, const struct session *s);

/* Puts a session where another program of this run finds it. Returns 0 when nothing is shared: the
 * session stays the caller's; 1 when it was put; -1. */
int registry_share(const struct registry *r, const struct session *s, struct error *e);

/* Takes the session that was put there for this repository. Returns whether there was one; only one
 * program gets it. */
bool registry_take(const struct registry *r, struct session *s);

/* PATCH: BODY, not empty, at OFFSET of the blob. The session moves with a 416 too. */
int registry_append(struct registry *r, struct session *s, int64_t offset,
		    const struct http_body *body, struct error *e);

/* PUT: ends the session; what was sent, and then BODY (NULL: nothing), becomes the blob. After -1
 * it may be there all the same. */
int registry_commit(struct registry *r, struct session *s, const struct digest *d,
		    const struct http_body *body, struct error *e);

/* Sends Q to "/v2/<repository>/TAIL", with the credentials that it takes: for the verbs of
 * manifests. */
int registry_ask(struct registry *r, struct http_request *q, const char *tail, struct error *e);

/* E as answer_refused(), with what a refusal of credentials means here. Returns -1. */
int registry_refused(struct registry *r, const char *method, struct error *e);

#endif
