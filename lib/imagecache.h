/* SPDX-License-Identifier: Apache-2.0 */
/* imagecache: a cache of the images that this machine has pushed, so that one that comes again, or a layer
 * of it in another image, need not be saved, compressed and sent where a registry still has it.
 * In the cache directory known/<setting>.<key>, one JSON document an image:
 *
 *	manifests	its manifests and indexes as they are, those that others name first:
 *			mediaType, text
 *	configs		of its images, as they are
 *	root		the digest of the last, which names them all
 *	diffIds		what the layers are when uncompressed: digest to diffId
 *
 * SETTING is a word for how layers are compressed. KEY is the image's ID or the digest of its root.
 * The cache never says what a registry has, and its loss costs time, never correctness. */
#ifndef IMAGECACHE_H
#define IMAGECACHE_H

#include "descriptor.h"
#include "digest.h"
#include "error.h"
#include "layout.h"

#include <stddef.h>

#define IMAGECACHE_MAX 256 /* the oldest goes */

/* Remembers the image ROOT of L, if KEY is its digest or that of its config. L may lack layers.
 * Returns 0, also where there is no cache or nothing to remember; -1 when L can't be read. */
int imagecache_add(const char *setting, const struct digest *key, const struct layout *l,
	      const struct descriptor *root, struct error *e);

/* DIFF_ID is empty where it is not known, and for what is no layer. Non-zero ends the visit, which
 * returns it. */
typedef int imagecache_visitor(const struct descriptor *d, const struct digest *diff_id, void *context,
			  struct error *e);

/* Puts the manifests and configs of the image into L and its root into index.json, then visits its tree as
 * layout_walk() does. Sets ROOT, which is empty when the image is not known: nothing is done then. */
int imagecache_visit_image(const char *setting, const struct digest *key, struct layout *l,
		      struct descriptor *root, imagecache_visitor *visit, void *context,
		      struct error *e);

/* Visits, for each of the COUNT DIFF_IDS that a layer of a known image has, one of
 * the type that we make, and what there is of others, which were pushed as they were. */
int imagecache_visit_layers(const char *setting, const struct digest *diff_ids, size_t count,
		       imagecache_visitor *visit, void *context, struct error *e);

#endif
