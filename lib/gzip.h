/* SPDX-License-Identifier: Apache-2.0 */
/* gzip: bytes in, one gzip member in a file, with the digests of both sides, on several processors.
 * What comes out depends on what goes in alone, not on the number of threads. */
#ifndef GZIP_H
#define GZIP_H

#include "coded.h"
#include "error.h"

#include <stddef.h>

#define GZIP_THREADS_MAX 16 /* each takes some 3 MiB */

struct gzip;

/* Writes to FD, which is borrowed. NAME (borrowed) is for messages about writing. LEVEL: 1 to 9.
 * THREADS, the caller's included: 1 to GZIP_THREADS_MAX. Ends the program when there is no memory. */
struct gzip *gzip_new(int fd, const char *name, int level, int threads);

/* Also before gzip_finish(): what was given is given up. */
void gzip_free(struct gzip *g);

/* Returns 0, or -1 with STATUS_FAILED when FD takes no more. */
int gzip_write(struct gzip *g, const void *data, size_t len, struct error *e);

/* Ends the member; call once. */
int gzip_finish(struct gzip *g, struct coded *result, struct error *e);

#endif
