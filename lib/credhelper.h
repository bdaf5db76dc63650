/* SPDX-License-Identifier: Apache-2.0 */
/* credhelper: programs called docker-credential-NAME, by the protocol of docker-credential-helpers.
 * Input on stdin, output on stdout; the secret is in no argv and no environment. */
#ifndef CREDHELPER_H
#define CREDHELPER_H

#include "error.h"

#define CREDHELPER_TIMEOUT_S 30
#define CREDHELPER_USER_SIZE 512
#define CREDHELPER_SECRET_SIZE (16 * 1024) /* a token of ECR has 4 KiB, a JSON key of Google 2.4 */
#define CREDHELPER_TOKEN "<token>" /* the user whose secret is an identity token */

/* What a helper keeps; wiped by who has it. */
struct login {
	char user[CREDHELPER_USER_SIZE];
	char secret[CREDHELPER_SECRET_SIZE];
};

/* `get` for KEY. Returns 1 when LOGIN was filled in, 0 when the helper knows nothing, -1: the helper is
 * missing, failed, hung or answered what is not understood (STATUS_FAILED), STATUS_INTERRUPTED. The
 * text names the helper, never the secret. */
int credhelper_get(const char *name, const char *key, struct login *login, struct error *e);

/* `store` for KEY. */
int credhelper_store(const char *name, const char *key, const struct login *login,
		     struct error *e);

/* `erase` for KEY. 1 when the helper knew nothing. */
int credhelper_erase(const char *name, const char *key, struct error *e);

#endif
