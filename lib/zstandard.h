/* SPDX-License-Identifier: Apache-2.0 */
/* zstandard: bytes in, one zstd frame in a file, with the digests of both sides, on several processors.
 * What comes out depends on what goes in and the level alone, not on the number of threads. */
#ifndef ZSTANDARD_H
#define ZSTANDARD_H

#include "coded.h"
#include "error.h"

#include <stddef.h>

#define ZSTANDARD_LEVEL 3 /* the default of zstd */
#define ZSTANDARD_LEVEL_MAX 19

struct zstandard;

/* Writes to FD, which is borrowed. NAME (borrowed) is for messages about writing. LEVEL: 1 to
 * ZSTANDARD_LEVEL_MAX. THREADS, at least 1, beside the caller's. Ends the program when there is no
 * memory. */
struct zstandard *zstandard_new(int fd, const char *name, int level, int threads);

/* Also before zstandard_finish(): what was given is given up. */
void zstandard_free(struct zstandard *z);

/* Returns 0, or -1 with STATUS_FAILED when FD takes no more. */
int zstandard_write(struct zstandard *z, const void *data, size_t len, struct error *e);

/* Ends the frame; call once. */
int zstandard_finish(struct zstandard *z, struct coded *result, struct error *e);

#endif
