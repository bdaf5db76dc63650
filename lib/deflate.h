/* SPDX-License-Identifier: Apache-2.0 */
/* deflate: one block of bytes to a run of independent deflate blocks that ends on a byte border
 * (full flush). Concatenated runs and DEFLATE_END make one deflate stream, so blocks can be made in
 * any order. The fastest level is that of ISA-L where it exists (ten times the speed of zlib), the others
 * are zlib's. A block that would hardly
 * get smaller is stored: weights that are quantised, media and archives cost no more than a copy. */
#ifndef DEFLATE_H
#define DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#define DEFLATE_BLOCK (1u << 20)			    /* the most bytes in a block */
#define DEFLATE_BOUND (DEFLATE_BLOCK + DEFLATE_BLOCK / 8 + 4096) /* the most that come out */

#define DEFLATE_PADDING 1024 /* readable bytes behind a block */

/* The final, empty block of a stream. */
#define DEFLATE_END "\x03\x00"
#define DEFLATE_END_LEN 2

#define DEFLATE_LEVEL_MIN 1
#define DEFLATE_LEVEL_MAX 9

/* One per thread. deflater_new() ends the program when there is no memory. */
struct deflater;
struct deflater *deflater_new(int level);
void deflater_free(struct deflater *d);

/* Deflates LEN bytes (at most DEFLATE_BLOCK) into OUT (DEFLATE_BOUND bytes); returns how many came
 * out. ISA-L looks at what stands behind the block, and what it finds there may change a match: with
 * DEFLATE_PADDING zero bytes there the same block gives the same result. */
size_t deflate_block(struct deflater *d, const void *data, size_t len, unsigned char *out);

/* The running CRC-32 of gzip; start with 0. */
uint32_t deflate_crc(uint32_t crc, const void *data, size_t len);

#endif
