/* SPDX-License-Identifier: Apache-2.0 */
/* entry: a manifest or index that was composed gets its place in a layout: its blob, its entry in
 * index.json, and the records of both. */
#ifndef ENTRY_H
#define ENTRY_H

#include "descriptor.h"
#include "error.h"
#include "layout.h"

#include <stddef.h>

struct entry {
	const char *text;	   /* the manifest */
	const char *media_type;	   /* NULL: what OCI has for its kind */
	const char *tag;	   /* its name in the layout; NULL for none */
	const char *artifact_type; /* NULL for none */
	enum kind kind;
};

/* Whether a user may give an image the name TEXT, a tag or a reference with one: those that begin with
 * "cog-" are reserved (cog's weights and bundles have them). STATUS_USAGE. */
int entry_check_tag(const char *text, struct error *e);

/* Stores N and names it; a name that exists moves. STATUS_FAILED where -i with the same name would mean
 * another image, which spells it in another way; STATUS_DATA where the text is larger than registries
 * take. */
int entry_add(struct layout *l, const struct entry *n, struct error *e);

#endif
