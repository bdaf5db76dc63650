/* SPDX-License-Identifier: Apache-2.0 */
/* composition: an index out of the manifests in a layout (OCI image-spec, image-index.md), and cog's bundle,
 * which is one of images and weights. Nothing is written. */
#ifndef COMPOSITION_H
#define COMPOSITION_H

#include "annotations.h"
#include "error.h"
#include "layout.h"
#include "platform.h"

#include <stdbool.h>

struct composition;

/* LAYOUT is borrowed. Ends the program when there is no memory. */
struct composition *composition_new(const struct layout *layout, bool is_bundle);
void composition_free(struct composition *c);

/* Adds what OPERAND means: NAME|DIGEST[=PLATFORM]. Without PLATFORM that of an image is in its config. Of an
 * index its manifests are added, each as the index has it. One that is there already, for the same platform,
 * is not added again. In a bundle, weights come after the images. STATUS_USAGE: no platform.
 * STATUS_FAILED: not in the layout. STATUS_DATA: a manifest or config is missing or bad, an image says
 * no platform, a weight says not what it must or has the name or place of another. */
int composition_add(struct composition *c, const char *operand, struct error *e);

/* The text of the index. ARTIFACT_TYPE may be NULL. The caller frees it. NULL with STATUS_DATA where a bundle
 * lacks images or weights. */
char *composition_format(const struct composition *c, const char *artifact_type,
			 const struct annotations *annotations, struct error *e);

/* What the config of an image says it runs on. Returns 1, 0 when it does not say, or -1: STATUS_DATA when it
 * is missing or bad. */
int composition_platform(const struct layout *l, const struct descriptor *config, struct platform *p,
			 struct error *e);

#endif
