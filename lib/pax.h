/* SPDX-License-Identifier: Apache-2.0 */
/* pax: the headers of a tar in PAX format (POSIX.1, pax) that says nothing but paths and sizes: times and
 * owners are 0, modes 0644 and 0755. The same members give the same bytes. */
#ifndef PAX_H
#define PAX_H

#include "buffer.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

#define PAX_BLOCK 512 /* what comes after a header is filled up with zeros to a multiple of this */
#define PAX_END_LEN (2 * PAX_BLOCK) /* zeros at the end of a tar */

/* Append what stands before the bytes of a file of SIZE bytes, or for a folder. PATH: relative, without a
 * slash at its end; of a folder the first LEN bytes of it count. */
int pax_file(struct buffer *to, const char *path, int64_t size, struct error *e);
int pax_folder(struct buffer *to, const char *path, size_t len, struct error *e);

/* How many zeros follow the bytes of a file. */
size_t pax_padding(int64_t size);

#endif
