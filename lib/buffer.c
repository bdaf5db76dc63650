/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *b, size_t max)
{
	*b = (struct buffer){.max = max};
}

void buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){.max = b->max};
}

void buffer_wipe(struct buffer *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->capacity);
	buffer_release(b);
}

void buffer_clear(struct buffer *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

static int grow(struct buffer *b, size_t need, struct error *e)
{
	size_t capacity = b->capacity ? b->capacity : 256;
	while (capacity < need)
		capacity *= 2;
	char *data = realloc(b->data, capacity);
	if (!data)
		return error_errno(e, "memory");
	b->data = data;
	b->capacity = capacity;
	return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t len, struct error *e)
{
	if (len > b->max - b->len)
		return error_set(e, STATUS_DATA, "more than %zu bytes", b->max);
	if (b->len + len + 1 > b->capacity && grow(b, b->len + len + 1, e))
		return -1;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}
