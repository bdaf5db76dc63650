/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor: media type, digest and size of content (OCI image-spec, descriptor.md), and the
 * manifests and indexes that are made of them. */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include "digest.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_LAYER_GZIP MEDIA_TYPE_LAYER "+gzip"
#define MEDIA_TYPE_LAYER_ZSTD MEDIA_TYPE_LAYER "+zstd"
#define MEDIA_TYPE_EMPTY "application/vnd.oci.empty.v1+json"
#define MEDIA_TYPE_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_TYPE_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_TYPE_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

#define MEDIA_TYPE_SIZE 128 /* the longest that is read, and the NUL */

#define ANNOTATION_REF_NAME "org.opencontainers.image.ref.name"
#define ANNOTATION_TITLE "org.opencontainers.image.title"
#define ANNOTATION_IMAGE_NAME "io.containerd.image.name"

#define DESCRIPTOR_ITEMS_MAX 10000 /* layers of a manifest, entries of an index */

enum kind { KIND_LAYER, KIND_CONFIG, KIND_MANIFEST, KIND_INDEX };

struct descriptor {
	struct digest digest;
	int64_t size; /* bytes */
	char media_type[MEDIA_TYPE_SIZE];
	enum kind kind;
	char platform[64];     /* "os/arch[/variant]" or "" */
	char ref_name[288];    /* annotation org.opencontainers.image.ref.name, or "" */
	char image_name[288];  /* annotation io.containerd.image.name, or "" */
	bool has_urls;	       /* a foreign layer: the bytes are elsewhere */
};

/* A manifest or an index. */
struct manifest {
	bool is_index;
	char media_type[MEDIA_TYPE_SIZE]; /* of the document itself */
	bool has_config;      /* manifests only */
	struct descriptor config;
	struct descriptor *items; /* layers of a manifest, entries of an index */
	size_t count;
};

/* The word that records use: layer, config, manifest, index. */
const char *kind_name(enum kind kind);

/* Reads a manifest or index (OCI or docker schema 2). NAME is for messages. The caller releases M,
 * also after a failure. STATUS_DATA: not JSON, not a manifest, a digest that is not sha256, a size
 * below 0, too many items. */
int manifest_parse(struct manifest *m, const char *name, const char *text, size_t len,
		   struct error *e);
void manifest_release(struct manifest *m);

/* Whether TEXT is "type/subtype" in the letters of RFC 6838, and short enough for us. */
bool descriptor_is_media_type(const char *text);

/* What users call D: the image name, else the ref name; "" for none. Borrowed. */
const char *descriptor_name(const struct descriptor *d);

/* Lists what users can choose an entry of INDEX by, its name or else its digest, cut to SIZE. */
void manifest_list_names(const struct manifest *index, char *to, size_t size);

/* Whether the config is that of an image, so that its rootfs.diff_ids belong to the layers. */
bool manifest_is_image(const struct manifest *m);

#endif
