/* SPDX-License-Identifier: Apache-2.0 */
/* ocitar: the images of a tar that is an OCI layout: oci-archives of podman, skopeo and buildah,
 * buildx, and `docker save` with the containerd store. Manifests and blobs are kept byte for byte. */
#ifndef OCITAR_H
#define OCITAR_H

#include "descriptor.h"
#include "error.h"
#include "member.h"
#include "publish.h"

#include <stdbool.h>
#include <stddef.h>

struct oci_image {
	struct descriptor root; /* a manifest or an index */
	char *entry;		/* its JSON for index.json; owned */
};

struct oci_images {
	struct oci_image *list;
	size_t count;
	struct descriptor *blobs; /* of all images, each once, blobs before their manifests */
	size_t blob_count, blob_capacity;
	bool is_sparse_allowed;
};

/* Reads index.json and the manifests below the chosen images, and marks what they need. SELECTOR is
 * a name or a digest (of a manifest at the top or inside an index), NULL for all.
 * An index some of whose manifests are absent: with one platform there, that manifest takes over the
 * names, with a warning; with several it is an error unless IS_SPARSE_ALLOWED.
 * STATUS_DATA, or STATUS_FAILED when SELECTOR is not there. The caller releases O in any case. */
int oci_images_select(struct oci_images *o, struct members *t, const char *selector,
		      bool is_sparse_allowed, struct error *e);
void oci_images_release(struct oci_images *o);

/* Marks the layers whose blobs are known elsewhere: they need not be stored. STATUS_DATA for a config
 * that can't be read. */
int oci_images_take_known(struct oci_images *o, struct members *t, struct error *e);

/* Writes a `source` record for each image, one a digest, and, if HAS_LAYERS, after it a `layer` record
 * for each of its layers, manifest by manifest, in their order. */
int oci_images_list(const struct oci_images *o, struct members *t, bool has_layers,
		    struct error *e);

/* When all members are stored: verifies digests, sizes and diffIds (STATUS_DATA) and publishes the
 * blobs. */
int oci_images_build(struct oci_images *o, struct members *t, struct publisher *p,
		     struct error *e);

/* Adds the images to index.json and writes the `image` records, one a digest. */
int oci_images_finish(const struct oci_images *o, struct layout *l, struct error *e);

#endif
