/* SPDX-License-Identifier: Apache-2.0 */
/* annotations: what a user gives as KEY=VALUE for a manifest or an index (OCI image-spec,
 * annotations.md). */
#ifndef ANNOTATIONS_H
#define ANNOTATIONS_H

#include "error.h"
#include "json.h"

#include <stddef.h>

#define ANNOTATIONS_MAX 256

/* Zero it before use. */
struct annotations {
	const char *items[ANNOTATIONS_MAX]; /* "KEY=VALUE", borrowed, by key */
	size_t count;
};

/* Adds KEY=VALUE; the order of calls does not matter. STATUS_USAGE: no '=', an empty key, one with control
 * characters, one that is there already, a text that is not UTF-8. */
int annotations_add(struct annotations *a, const char *text, struct error *e);

/* Adds them to the member "annotations" of OBJECT (borrowed), which gets it unless there are none; what it
 * has of the same keys is replaced. */
void annotations_write(const struct annotations *a, json_t *object);

#endif
