/* SPDX-License-Identifier: Apache-2.0 */
/* trust: whom an HTTP connection trusts: extra CAs, a client certificate, whether verification is on
 * and plain HTTP allowed. From options, the environment that cog-push hands on, and the certs.d
 * folders of docker and podman. */
#ifndef TRUST_H
#define TRUST_H

#include "certs.h"
#include "error.h"

#include <stdbool.h>

/* What the options said, borrowed; NULL for what they did not. */
struct trust_options {
	const char *cacert;	/* a file of CAs, added to the system's */
	const char *cert, *key; /* a client certificate */
	const char *verify;	/* true, 1, false or 0 */
	const char *plain_http; /* the same: the registry speaks plain HTTP, loopback or not */
};

/* For program_option(): the options that every program with a network has. */
enum { TRUST_CACERT = 512, TRUST_CERT, TRUST_KEY, TRUST_VERIFY, TRUST_PLAIN };
#define TRUST_OPTIONS                                                                              \
	{"cacert", required_argument, NULL, TRUST_CACERT},                                         \
		{"cert", required_argument, NULL, TRUST_CERT},                                     \
		{"key", required_argument, NULL, TRUST_KEY},                                       \
		{"tls-verify", required_argument, NULL, TRUST_VERIFY},                             \
		{"plain-http", no_argument, NULL, TRUST_PLAIN}

#define TRUST_USAGE                                                                                \
	"      --cacert FILE        CAs to trust beside the system's\n"                            \
	"      --cert FILE          client certificate, PEM\n"                                     \
	"      --key FILE           its key, PEM\n"                                                \
	"      --tls-verify=false   don't verify the registry's certificate\n"                     \
	"      --plain-http         speak plain HTTP to the registry; sends passwords in clear\n"

void trust_options_init(struct trust_options *o);

/* Takes one of these options. STATUS_USAGE: a value that is none. */
int trust_option(struct trust_options *o, int option, const char *value, struct error *e);

/* All that a connection needs. */
struct trust {
	const char *cacert, *cert, *key; /* borrowed, NULL for none */
	bool is_verify_off;
	bool is_plain_http;
	struct certs certs; /* of the registry */
};

/* Takes what the options said, and of the rest what the environment says: COG_PUSH_CACERT,
 * COG_PUSH_CERT, COG_PUSH_KEY, COG_PUSH_TLS_VERIFY, COG_PUSH_PLAIN_HTTP. Finds the certs.d folder of
 * REGISTRY. STATUS_USAGE for --cert without --key, a file that can't be read, a variable that is neither
 * true nor false; STATUS_FAILED as certs_find(). */
int trust_init(struct trust *t, const struct trust_options *o, const char *registry,
	       struct error *e);

#endif
