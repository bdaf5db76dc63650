/* SPDX-License-Identifier: Apache-2.0 */
/* inflate: a stream of gzip or zstd, fed in pieces of any size, to its bytes. Several members or
 * frames in a row are one stream; what follows the last gzip member is ignored, as gzip(1) does. */
#ifndef INFLATE_H
#define INFLATE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* Takes what came out. Returns 0, or -1 with an error. */
typedef int inflate_sink(void *context, const void *data, size_t len, struct error *e);

struct inflater;

/* inflater_new() ends the program when there is no memory. CONTEXT is borrowed. */
struct inflater *inflater_new(bool is_zstd, inflate_sink *sink, void *context);
void inflater_free(struct inflater *i);

/* Returns 0, or -1: the sink's error, or STATUS_DATA for bytes that can't be inflated. */
int inflater_write(struct inflater *i, const void *data, size_t len, struct error *e);

/* Call after the last byte. STATUS_DATA when the stream was cut. */
int inflater_finish(struct inflater *i, struct error *e);

#endif
