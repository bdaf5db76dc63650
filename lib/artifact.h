/* SPDX-License-Identifier: Apache-2.0 */
/* artifact: files as an OCI artifact in a layout, in the way of oras: each file a layer as it is, its name an
 * annotation (OCI image-spec, manifest.md, "Guidelines for Artifact Usage"). No time is in it: the same files
 * give the same digest. */
#ifndef ARTIFACT_H
#define ARTIFACT_H

#include "annotations.h"
#include "descriptor.h"
#include "error.h"
#include "layout.h"

#include <stdbool.h>

/* All borrowed. */
struct artifact {
	const char *type;
	const char *config; /* FILE[:MEDIATYPE]; NULL for the empty config */
	char *const *files; /* FILE[:MEDIATYPE]; NULL at the end */
	const struct descriptor *subject; /* NULL for none */
	struct annotations annotations;
};

/* Whether all can be read, before any of it is stored. STATUS_USAGE: what a user wrote is no such
 * thing, a name comes twice. STATUS_DATA: a file is no regular file. */
int artifact_check(const struct artifact *a, struct error *e);

/* Stores the files as blobs, with their records, and returns the text of the manifest, which the caller
 * frees. NULL after a failure; STATUS_DATA when a file changes its size while it is read. */
char *artifact_store(const struct artifact *a, struct layout *l, struct error *e);

#endif
