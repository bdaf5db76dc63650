/* SPDX-License-Identifier: Apache-2.0 */
/* trust: whom an HTTP connection trusts: extra CAs, a client certificate, whether verification is on
 * and plain HTTP allowed. From options, the environment that cog-push hands on, and the certs.d
 * folders of docker and podman. */
#ifndef TRUST_H
#define TRUST_H

#include "certs.h"
#include "error.h"

#include <stdbool.h>

/* What the user said; strings are borrowed, NULL for what was not said. */
struct trust_options {
	const char *cacert;	/* a file of CAs, added to the system's */
	const char *cert, *key; /* a client certificate */
	bool is_verify_off;
	bool is_plain_http; /* the registry speaks plain HTTP, loopback or not */
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

/* Fills in what the environment says: COG_PUSH_CACERT, COG_PUSH_CERT, COG_PUSH_KEY,
 * COG_PUSH_TLS_VERIFY, COG_PUSH_PLAIN_HTTP. */
void trust_options_init(struct trust_options *o);

/* Takes one of these options. STATUS_USAGE: a value that is none. */
int trust_option(struct trust_options *o, int option, const char *value, struct error *e);

/* All that a connection needs. */
struct trust {
	struct trust_options options;
	struct certs certs; /* of the registry */
};

/* Finds the certs.d folder of REGISTRY. STATUS_USAGE for --cert without --key or a file that can't be
 * read, STATUS_FAILED as certs_find(). */
int trust_init(struct trust *t, const struct trust_options *o, const char *registry,
	       struct error *e);

#endif
