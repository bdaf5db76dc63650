/* SPDX-License-Identifier: Apache-2.0 */
/* recipe: the blobs of a layout that are by reference. Such a blob is not in blobs/; DIR/recipes/<hex> says
 * what it is made of: a head, a range of a file below a folder, zeros. Other tools do not know of it. */
#ifndef RECIPE_H
#define RECIPE_H

#include "digest.h"
#include "error.h"
#include "layout.h"
#include "source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECIPE_HEAD_MAX (1u << 20)    /* bytes; folders in folders with long names have many */
#define RECIPE_PADDING_MAX (64u << 10) /* bytes */

/* Writes the recipe of the blob D, which is S: all of it is set but fd. Not by several threads at once. */
int recipe_write(struct layout *l, const struct digest *d, const struct source *s, struct error *e);

/* Whether there is a recipe for D. */
bool recipe_is_there(const struct layout *l, const struct digest *d);

/* Reads the recipe for D, whose size must be SIZE (-1: any), into S, and opens no file. The caller releases S in
 * any case. STATUS_DATA also when others than the user can have written it. */
int recipe_read(const struct layout *l, const struct digest *d, int64_t size, struct source *s,
		struct error *e);

#define RECIPE_ROOTS_MAX 100

/* The folders that the user has named, below which files may be read. Zeroed: none. */
struct recipe_roots {
	int fds[RECIPE_ROOTS_MAX];
	size_t count;
};

/* STATUS_DATA when PATH is no folder, STATUS_USAGE when there are too many. */
int recipe_roots_add(struct recipe_roots *r, const char *path, struct error *e);
void recipe_roots_release(struct recipe_roots *r);

/* Opens the blob D of SIZE bytes (-1: any): the file in blobs/, or else what its recipe says, below that of ROOTS
 * which has just that file. Without ROOTS a recipe is refused. The caller releases S in any case. STATUS_DATA. */
int recipe_open(const struct layout *l, const struct digest *d, int64_t size,
		const struct recipe_roots *roots, struct source *s, struct error *e);

/* The text of a recipe. The caller frees that of recipe_format(), NULL without memory, and releases S. */
char *recipe_format(const struct source *s);
int recipe_parse(struct source *s, const char *text, size_t len, struct error *e);

#endif
