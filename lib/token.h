/* SPDX-License-Identifier: Apache-2.0 */
/* token: bearer tokens, asked of a token service (distribution spec, auth/token and auth/oauth), and
 * kept where the programs of a run share them. */
#ifndef TOKEN_H
#define TOKEN_H

#include "challenge.h"
#include "credential.h"
#include "error.h"
#include "http.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_SIZE (24 * 1024)

struct token {
	char text[TOKEN_SIZE]; /* "" for none */
	int64_t renew_at;      /* seconds since the epoch: at 80 % of its life */
	struct challenge challenge; /* what it was asked for */
	char url[LOCATION_SIZE];    /* whose answer the challenge was: a realm may be relative to it */
};

/* Asks the realm of T's challenge for a token. With an identity token
 * by POST, falling back to GET; else by GET, with the password if C has one. One request at a time,
 * no retry, 30 s each; only a GET follows redirects, and leaves the password behind on another host. STATUS_DENIED when C is refused; STATUS_TEMPORARY when the service is down; STATUS_FAILED
 * when it answers anything else, or would get a secret over plain HTTP that the registry does not
 * speak itself. The text names the URL, never a secret. */
int token_fetch(struct http *http, const struct credential *c, struct token *t, struct error *e);

/* The shared file of tokens for one repository, in the private directory DIR (NULL: nothing is
 * shared). NAME is unique to the repository. */
struct token_store {
	const char *dir;
	char name[80];
};
void token_store_init(struct token_store *s, const char *dir, const char *repository);

/* Reads the token that was kept. Returns whether there is one. */
bool token_load(const struct token_store *s, struct token *t);

/* Keeps T; failing to is no error: the next one asks again. */
void token_save(const struct token_store *s, const struct token *t);

/* Only one of the sharing programs renews at a time: waits for the lock. Returns its descriptor, to be
 * closed, or -1 where nothing is shared. */
int token_lock(const struct token_store *s);

#endif
