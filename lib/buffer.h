/* SPDX-License-Identifier: Apache-2.0 */
/* buffer: bytes that grow up to a cap. */
#ifndef BUFFER_H
#define BUFFER_H

#include "error.h"

#include <stddef.h>

struct buffer {
	char *data; /* NUL-terminated; NULL while nothing was appended */
	size_t len; /* bytes, without the NUL */
	size_t capacity;
	size_t max; /* bytes that LEN may reach */
};

void buffer_init(struct buffer *b, size_t max);
void buffer_release(struct buffer *b);

/* Releases B, which holds a secret: its bytes are overwritten first. */
void buffer_wipe(struct buffer *b);

/* Empties B and keeps its memory. */
void buffer_clear(struct buffer *b);

/* Returns 0, or -1 with STATUS_DATA when B would grow past its cap (B is unchanged then). */
int buffer_append(struct buffer *b, const void *data, size_t len, struct error *e);

#endif
