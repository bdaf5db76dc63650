/* SPDX-License-Identifier: Apache-2.0 */
/* certs: the TLS material that docker and podman keep for a registry, in folders called
 * certs.d/<host[:port]>: *.crt are extra CAs, NAME.cert with NAME.key a client certificate. */
#ifndef CERTS_H
#define CERTS_H

#include "error.h"

#include <limits.h>
#include <stddef.h>

#define CERTS_CA_MAX 16

struct certs {
	char ca[CERTS_CA_MAX][PATH_MAX];
	size_t ca_count;
	char cert[PATH_MAX], key[PATH_MAX]; /* "" for none */
};

/* Looks in the user's and the system's certs.d folders of containers and docker; the first that has
 * one for REGISTRY counts. Returns 0, also when there is none; STATUS_FAILED for half a client
 * certificate. A folder that can't be read is a warning. */
int certs_find(const char *registry, struct certs *c, struct error *e);

#endif
