/* SPDX-License-Identifier: Apache-2.0 */
/* dockertar: the images of a docker archive, i.e. of a tar with manifest.json: `docker save` in all
 * its forms, podman, skopeo, crane, kaniko, jib, Nix, rules_oci. manifest.json and the configs'
 * rootfs.diff_ids are the truth; an OCI index beside them is not looked at here (Docker 25.0 wrote
 * wrong ones, moby#47065, moby#47150). */
#ifndef DOCKERTAR_H
#define DOCKERTAR_H

#include "descriptor.h"
#include "digest.h"
#include "error.h"
#include "member.h"
#include "publish.h"

#include <stdbool.h>
#include <stddef.h>

struct docker_layer {
	struct member *member; /* NULL for a foreign layer */
	struct digest diff_id;
	char *foreign; /* JSON of the descriptor with urls; owned */
};

struct docker_image {
	struct member *config;
	char *platform; /* JSON object for index.json; owned */
	char **names;	/* RepoTags; owned */
	size_t name_count;
	struct docker_layer *layers;
	size_t layer_count;
	struct descriptor manifest; /* set by docker_images_build() */
};

struct docker_images {
	struct docker_image *list;
	size_t count;
};

/* Reads manifest.json and the configs, and marks what the chosen images need. SELECTOR is a name or
 * an image ID, NULL for all. STATUS_DATA for what is broken or missing; STATUS_FAILED with the list
 * when SELECTOR is not there. The caller releases D in any case. */
int docker_images_select(struct docker_images *d, struct members *t, const char *selector,
			 struct error *e);
void docker_images_release(struct docker_images *d);

/* Marks the layers whose blobs are known elsewhere: they need not be stored. */
void docker_images_take_known(struct docker_images *d, struct members *t);

/* Whether a layer of these images is not compressed. */
bool docker_images_have_plain_layers(const struct docker_images *d);

/* Writes a `source` record for each image and, if HAS_LAYERS, after it a `layer` record for each of its
 * layers, in their order. */
int docker_images_list(const struct docker_images *d, bool has_layers, struct error *e);

/* When all members are stored: verifies the diffIds (STATUS_DATA) and publishes layers, configs and
 * manifests. */
int docker_images_build(struct docker_images *d, struct members *t, struct publisher *p,
			struct error *e);

/* Adds the images to index.json, an entry a name, and writes the `image` records. */
int docker_images_finish(const struct docker_images *d, struct layout *l, struct error *e);

#endif
