/* SPDX-License-Identifier: Apache-2.0 */
/* tarball: the members of a saved image's tar, which may be compressed as a whole (gzip, bzip2, xz,
 * zstd), one after the other, from a stream. Checks what hostile tars do; extracts nothing. */
#ifndef TARBALL_H
#define TARBALL_H

#include "error.h"
#include "source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARBALL_MEMBERS_MAX 100000
#define TARBALL_PATH_SIZE 4096

struct tarball;

struct tarball_member {
	char path[TARBALL_PATH_SIZE];	/* clean: relative, no "." or "..", no double slash */
	char target[TARBALL_PATH_SIZE]; /* of a link: the path that it means; "" when outside */
	bool is_link;			/* symbolic or hard */
	int64_t size;			/* bytes of a regular file */
};

/* Reads from FD (borrowed) where it stands. NULL: STATUS_DATA when it is no tar. */
struct tarball *tarball_new(int fd, struct error *e);
/* The same from a blob (borrowed). */
struct tarball *tarball_new_source(const struct source *source, struct error *e);
void tarball_free(struct tarball *t);

/* The next regular file or link; folders and devices are passed over. Returns 1, 0 at the end, -1
 * with STATUS_DATA: truncated, a name that is absolute or has "..", too many members. */
int tarball_next(struct tarball *t, struct tarball_member *m, struct error *e);

/* The next bytes of the current file; valid until the next call. Returns 1, 0 at the end, -1. */
int tarball_read(struct tarball *t, const void **data, size_t *len, struct error *e);

/* How many of the members so far are devices or FIFOs, or have a mode with more than permissions (set-user-ID,
 * set-group-ID, sticky), those that were passed over too. */
size_t tarball_strange(const struct tarball *t);

/* Whether the tar is compressed as a whole; known after the first tarball_next(). */
bool tarball_is_compressed(const struct tarball *t);

/* Cleans PATH as seen from the folder BASE ("" for the top) into TO (TARBALL_PATH_SIZE bytes).
 * IS_LINK allows "..". Returns 0, or -1 when the path is absolute, leaves the tar or is too long. */
int tarball_clean(char *to, const char *base, const char *path, bool is_link);

#endif
