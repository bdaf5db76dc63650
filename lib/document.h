/* SPDX-License-Identifier: Apache-2.0 */
/* document: the manifests and indexes in a tar that is an OCI layout, and whether a blob in it is what
 * its descriptor says. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "descriptor.h"
#include "error.h"
#include "member.h"

/* The blob that D names; NULL with STATUS_DATA when it is not in the tar. Borrowed. */
struct member *document_find(struct members *t, const struct descriptor *d, struct error *e);

/* Whether the stored bytes of M are what D says: 0, or -1 with STATUS_DATA. */
int document_verify(const struct member *m, const struct descriptor *d, struct error *e);

/* Reads the manifest or index that D names. The caller releases M in any case. STATUS_DATA. */
int document_read(struct members *t, const struct descriptor *d, struct manifest *m,
		  struct error *e);

/* The same of a manifest, and the diffIds that the config has for its layers: *DIFF_IDS is a list as long
 * as that of the layers, "" where the config has none, or NULL where there is no config of an image with
 * such a list. The caller frees it, too, in any case. */
int document_read_image(struct members *t, const struct descriptor *d, struct manifest *m,
			struct digest **diff_ids, struct error *e);

#endif
