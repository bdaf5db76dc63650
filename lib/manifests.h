/* SPDX-License-Identifier: Apache-2.0 */
/* manifests: the verbs of the OCI distribution spec for manifests, as registry has them for blobs:
 * no retries, the same statuses. NAME is a tag or a digest. */
#ifndef MANIFESTS_H
#define MANIFESTS_H

#include "buffer.h"
#include "digest.h"
#include "error.h"
#include "registry.h"

#include <stddef.h>

/* A manifest or index as it is. Borrowed. */
struct manifest_bytes {
	const char *data;
	size_t len;
	const char *media_type;
	struct digest digest;
};

/* GET: appends the manifest to OUT, whose cap counts. Returns 1, 0 for 404, or -1. */
int manifests_get(struct registry *r, const char *name, const char *media_type, struct buffer *out,
		  struct error *e);

/* HEAD, and GET where that says no digest: what NAME is. Returns 1, 0 when it is not there or the
 * registry does not tell (its answer is in R), or -1. */
int manifests_digest(struct registry *r, const char *name, const char *media_type,
		     struct digest *found, struct error *e);

/* PUT. Checks the digest that the registry says it stored, and asks for it when it says none;
 * STATUS_TEMPORARY when it is not there then. SUBJECT gets the digest of OCI-Subject, empty when
 * the answer had none. */
int manifests_put(struct registry *r, const char *name, const struct manifest_bytes *m,
		  struct digest *subject, struct error *e);

#endif
