/* SPDX-License-Identifier: Apache-2.0 */
/* The states of an Authorization header:
 *
 *   none      nothing was asked for yet, and no program of the run has left a token
 *   basic     the user's password, on every request from the first challenge on
 *   bearer    a token: of a token service, or the user's own (registrytoken), which is never renewed
 *
 * On a 401 the next header is, in this order: a token that another program of the run has got
 * meanwhile; a new token; nothing. A token that is refused the moment it was granted ends the
 * attempt: it was granted for less than a push needs, and another one would be the same. */
#include "auth.h"

#include "challenge.h"
#include "program.h"
#include "token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_SIZE = TOKEN_SIZE + 64 };

struct auth {
	struct http *http;
	const struct reference *repository;
	struct token_store store;
	char scope[REFERENCE_NAME_MAX + 64];
	struct credential credential;
	bool has_credential; /* looked for */
	bool is_given;	     /* by the caller, not found */
	struct token token;
	int grants;    /* tokens that were got for the request that is under way */
	bool is_again; /* the next header is for that request too */
	char header[HEADER_SIZE];
};

struct auth *auth_new(struct http *http, const struct reference *repository,
		      const char *shared_dir, const struct credential *credential,
		      const char *scope)
{
	char name[2 * REFERENCE_NAME_MAX + 3];
	struct auth *a = calloc(1, sizeof *a);
	if (!a)
		abort();
	program_keep_secrets();
	a->http = http;
	a->repository = repository;
	snprintf(name, sizeof name, "%s/%s", repository->registry, repository->repository);
	token_store_init(&a->store, credential ? NULL : shared_dir, name);
	if (scope)
		snprintf(a->scope, sizeof a->scope, "%s", scope);
	else
		snprintf(a->scope, sizeof a->scope, "repository:%s:pull,push",
			 repository->repository);
	if (credential) {
		a->credential = *credential;
		a->has_credential = a->is_given = true;
	}
	return a;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	OPENSSL_cleanse(a, sizeof *a);
	free(a);
}

static int load_credential(struct auth *a, struct error *e)
{
	if (a->has_credential)
		return 0;
	a->has_credential = true;
	return credential_find(a->repository, &a->credential, e);
}

static void set_bearer(struct auth *a)
{
	snprintf(a->header, sizeof a->header, "Bearer %s", a->token.text);
}

static void set_basic(struct auth *a)
{
	char plain[CREDENTIAL_USER_SIZE + CREDENTIAL_SECRET_SIZE];
	int len = snprintf(plain, sizeof plain, "%s:%s", a->credential.user, a->credential.secret);
	memcpy(a->header, "Basic ", 7);
	EVP_EncodeBlock((unsigned char *)a->header + 6, (const unsigned char *)plain, len);
	OPENSSL_cleanse(plain, sizeof plain);
}

static bool is_bearer(const struct auth *a)
{
	return strcmp(a->token.challenge.scheme, "bearer") == 0;
}

/* Takes what another program has left, if it is for the scope that is wanted. Returns whether it makes
 * a header other than the current. */
static bool take_shared(struct auth *a)
{
	struct token t;
	const char *wanted = a->token.challenge.scope;
	bool is_other = token_load(&a->store, &t) && strcmp(t.challenge.scheme, "bearer") == 0 &&
			*t.text && t.renew_at > (int64_t)time(NULL) &&
			(!*wanted || strcmp(t.challenge.scope, wanted) == 0) &&
			strcmp(t.text, a->token.text) != 0;
	if (is_other) {
		a->token = t;
		set_bearer(a);
	}
	OPENSSL_cleanse(&t, sizeof t);
	return is_other;
}

/* Gets a new token, or the one that another program got while this one waited for the lock. Returns
 * 0 or -1. */
static int renew(struct auth *a, struct error *e)
{
	int lock = token_lock(&a->store);
	int rc = 0;
	if (!take_shared(a)) {
		rc = load_credential(a, e);
		if (rc == 0)
			rc = token_fetch(a->http, &a->credential, &a->token, e);
		if (rc == 0) {
			token_save(&a->store, &a->token);
			set_bearer(a);
			a->grants++;
		}
	}
	if (lock >= 0)
		close(lock);
	return rc;
}

/* A program that begins finds out from the shared directory how this registry is spoken to. */
static int begin(struct auth *a, struct error *e)
{
	struct token t;
	bool is_basic = token_load(&a->store, &t) && strcmp(t.challenge.scheme, "basic") == 0;
	if (is_basic) {
		a->token = t;
		if (load_credential(a, e))
			return -1;
		if (a->credential.kind == CREDENTIAL_PASSWORD)
			set_basic(a);
	} else {
		(void)take_shared(a);
	}
	OPENSSL_cleanse(&t, sizeof t);
	return 0;
}

static bool is_old(const struct auth *a)
{
	return *a->header && is_bearer(a) && a->credential.kind != CREDENTIAL_REGISTRY_TOKEN &&
	       a->token.renew_at <= (int64_t)time(NULL);
}

int auth_header(struct auth *a, const char **header, struct error *e)
{
	struct error why = {0};
	bool is_again = a->is_again;
	a->is_again = false;
	if (!is_again)
		a->grants = 0;
	if (!*a->header && begin(a, e))
		return -1;
	if (!is_again && is_old(a) && renew(a, &why) && why.status == STATUS_INTERRUPTED) {
		*e = why;
		return -1;
	}
	*header = *a->header ? a->header : NULL;
	return 0;
}

static int answer_basic(struct auth *a, const struct challenge *c, struct error *e)
{
	if (load_credential(a, e))
		return -1;
	if (strncmp(a->header, "Basic ", 6) == 0 || a->credential.kind != CREDENTIAL_PASSWORD)
		return 0;
	a->token.text[0] = '\0';
	a->token.renew_at = 0;
	a->token.challenge = *c;
	token_save(&a->store, &a->token);
	set_basic(a);
	return 1;
}

/* The user's own bearer token is tried once. */
static int answer_with_own(struct auth *a)
{
	if (strcmp(a->token.text, a->credential.secret) == 0)
		return 0;
	snprintf(a->token.text, sizeof a->token.text, "%s", a->credential.secret);
	set_bearer(a);
	return 1;
}

/* Whether SCOPE is about pull and push of our repository and nothing else. */
static bool is_ours(const struct auth *a, const char *scope)
{
	char prefix[sizeof a->scope];
	int len = snprintf(prefix, sizeof prefix, "repository:%s:", a->repository->repository);
	if (strncmp(scope, prefix, (size_t)len) != 0)
		return false;
	for (scope += len; strncmp(scope, "pull", 4) == 0 || strncmp(scope, "push", 4) == 0; scope++) {
		scope += 4;
		if (*scope != ',')
			break;
	}
	return *scope == '\0';
}

/* The scope to ask for. What the registry says is echoed, but for pull and push of our repository: it
 * may name only one, of which the push that follows would need both, and docker-registry names them in
 * an order that changes, by which tokens would not be known again. */
static void choose_scope(const struct auth *a, struct challenge *c)
{
	if (!*c->scope || (*a->scope && is_ours(a, c->scope)))
		snprintf(c->scope, sizeof c->scope, "%s", a->scope);
}

/* A token that was got for this very request and is refused gets a second chance only where the
 * registry asks for another scope. */
static int answer_bearer(struct auth *a, struct challenge *c, struct error *e)
{
	choose_scope(a, c);
	bool is_same = strcmp(a->token.challenge.scope, c->scope) == 0;
	if (a->grants > (is_same ? 0 : 1))
		return 0;
	a->token.challenge = *c;
	if (load_credential(a, e))
		return -1;
	if (a->credential.kind == CREDENTIAL_REGISTRY_TOKEN)
		return answer_with_own(a);
	return renew(a, e) ? auth_explain(a, e) : 1;
}

int auth_answer(struct auth *a, const char *challenges, const char *url, struct error *e)
{
	struct challenge list[CHALLENGE_MAX];
	size_t count = challenge_parse(challenges, list);
	const struct challenge *chosen = challenge_choose(list, count);
	if (!chosen)
		return 0;
	struct challenge c = *chosen;
	snprintf(a->token.url, sizeof a->token.url, "%s", url);
	int rc = strcmp(c.scheme, "basic") == 0 ? answer_basic(a, &c, e) : answer_bearer(a, &c, e);
	a->is_again = rc > 0;
	return rc;
}

int auth_explain(const struct auth *a, struct error *e)
{
	struct error full;
	if (e->status != STATUS_DENIED || a->is_given)
		return -1;
	if (a->has_credential && a->credential.kind == CREDENTIAL_NONE)
		error_set(&full, STATUS_DENIED, "%.300s (no credentials for it were found: cog-login %.120s)",
			  e->text, a->repository->registry);
	else if (a->grants)
		error_set(&full, STATUS_DENIED, "%.300s (the token that was granted does not allow it: may you push "
					 "there, and is the repository there?)",
			  e->text);
	else if (a->has_credential)
		error_set(&full, STATUS_DENIED, "%.300s (cog-login %.120s stores others)", e->text,
			  a->repository->registry);
	else
		return -1;
	*e = full;
	return -1;
}
