/* SPDX-License-Identifier: Apache-2.0 */
/* revision: a manifest or index that is made out of another one of the layout: one platform of an index, or
 * an index without attestations; with annotations; with docker's media types (distribution,
 * manifest-v2-2.md). Configs and layers stay as they are, and so does what it is made of. */
#ifndef REVISION_H
#define REVISION_H

#include "annotations.h"
#include "descriptor.h"
#include "error.h"
#include "layout.h"
#include "platform.h"

#include <stdbool.h>

/* Done in this order. Zero for none of them. */
struct revision {
	const struct platform *platform; /* one manifest of an index; borrowed. NULL for all */
	bool has_no_attestations;	 /* leave BuildKit's out of an index */
	bool is_docker;
	struct annotations annotations; /* replace those of the same keys */
};

/* Makes of ROOT what R asks for, stores it and what is new below it, and writes their records. Where
 * nothing changes, or one manifest of an index is what is asked for, nothing is stored, and the image record
 * is of what is there. STATUS_FAILED: no such platform, or several. STATUS_DATA: a manifest is missing or
 * bad, or docker has no type for something. */
int revision_make(struct layout *l, const struct revision *r, const struct descriptor *root,
		  struct error *e);

#endif
