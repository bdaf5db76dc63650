/* SPDX-License-Identifier: Apache-2.0 */
/* weight: the documents of a weight artifact, as cog has them (its specification of weights, 1.0-draft): a
 * manifest, a config that lists the files, the digest of the set of files, a tag. */
#ifndef WEIGHT_H
#define WEIGHT_H

#include "descriptor.h"
#include "digest.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

#define MEDIA_TYPE_WEIGHT "application/vnd.cog.weight.v1" /* the artifactType */
#define MEDIA_TYPE_WEIGHT_CONFIG "application/vnd.cog.weight.config.v1+json"

#define WEIGHT_FILES_MAX 10000
#define WEIGHT_CONFIG_MAX (64u << 20) /* bytes of a config that is read */
#define WEIGHT_TAG_PREFIX "cog-weight."
#define WEIGHT_TAG_SIZE 129 /* of the text of a tag */

struct weight_file {
	char *path;
	int64_t size; /* bytes */
	struct digest digest, layer;
};

struct weight_layer {
	struct descriptor descriptor;
	int64_t file_bytes; /* the files in it together; -1 when it is not told */
};

struct weight {
	char *name, *target;
	struct digest set_digest;
	struct weight_file *files; /* sorted by path */
	size_t file_count;
	struct weight_layer *layers; /* sorted by digest */
	size_t layer_count;
};

/* Checks what users call a weight, and where it goes: an absolute path with no part that is empty, "." or
 * "..", and no slash at its end. STATUS_DATA. */
int weight_check_name(const char *name, struct error *e);
int weight_check_target(const char *target, struct error *e);

/* Makes room for the files and layers, all zero. */
int weight_init(struct weight *w, size_t file_count, size_t layer_count, struct error *e);
void weight_release(struct weight *w);

/* The digest of the files' digests and paths; FILES are sorted by path. */
void weight_set_digest(const struct weight_file *files, size_t count, struct digest *d);

/* cog-weight.<name>.<12 digits of the set digest>; what no tag may have becomes a hyphen. */
void weight_tag(char tag[WEIGHT_TAG_SIZE], const char *name, const struct digest *set_digest);

void weight_sort_layers(struct weight *w);

/* JSON texts, which the caller frees; NULL when there is no memory. */
char *weight_config(const struct weight *w);
char *weight_manifest(const struct weight *w, const struct descriptor *config);

/* The name that a manifest has for a weight; the caller frees it. NULL when it is none. */
char *weight_name(const char *manifest, size_t len);

/* Reads the manifest and the config of a weight, and whether they agree. The caller releases W in any case.
 * STATUS_DATA. */
int weight_parse(struct weight *w, const char *manifest, size_t len, struct descriptor *config,
		 struct error *e);
int weight_parse_config(struct weight *w, const char *config, size_t len, struct error *e);

#endif
