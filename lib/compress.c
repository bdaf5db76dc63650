/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes given are hashed (raw) and collected to blocks of DEFLATE_BLOCK bytes. What happens to a
 * block is settled by the packing and, for PACK_AUTO, by the first ENCODING_SNIFF bytes:
 *
 *   packed   block -> deflate -> hash (blob) -> file     diffId = raw
 *   kept     block -> file                               blob = raw
 *            if it is gzip or zstd: block -> inflate -> hash (diffId)
 *
 * A packed blob is one gzip member made of independently deflated blocks, so its bytes depend on
 * the input alone. Everything runs in the caller's thread. */
#include "compress.h"

#include "deflate.h"
#include "file.h"
#include "inflate.h"

#include <stdlib.h>
#include <string.h>

/* No name, no time, operating system unknown: the same input gives the same bytes. */
static const unsigned char gzip_header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff};

struct compressor {
	int fd;
	const char *name;
	enum packing packing;
	bool has_begun; /* the encoding is known */
	enum encoding encoding;
	bool is_packed;

	struct hasher *raw_hasher;
	int64_t raw_size;
	struct hasher *blob_hasher; /* packed only */
	int64_t blob_size;
	uint32_t crc;
	struct deflater *deflater;

	struct inflater *inflater; /* of a kept gzip or zstd; NULL once it failed */
	struct hasher *diff_hasher;
	int64_t diff_size;

	unsigned char *block; /* DEFLATE_BLOCK and DEFLATE_PADDING bytes */
	size_t filled;
	unsigned char *out; /* DEFLATE_BOUND bytes, packed only */
};

static bool is_zero(const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

/* A tar header has the sum of its bytes in it, its own field counted as spaces. */
static bool is_tar_header(const unsigned char *data)
{
	enum { SUM_AT = 148, SUM_LEN = 8 };
	unsigned long sum = 0, stored = 0;
	for (size_t i = 0; i < ENCODING_SNIFF; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : data[i];
	for (size_t i = SUM_AT; i < SUM_AT + SUM_LEN; i++)
		if (data[i] >= '0' && data[i] <= '7')
			stored = stored * 8 + (data[i] - '0');
	return sum == stored;
}

enum encoding encoding_sniff(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	if (len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0)
		return ENCODING_GZIP;
	if (len >= 4 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0)
		return ENCODING_ZSTD;
	if (len >= ENCODING_SNIFF && (is_tar_header(bytes) || is_zero(bytes, ENCODING_SNIFF)))
		return ENCODING_TAR;
	return ENCODING_OTHER;
}

struct compressor *compressor_new(int fd, const char *name, enum packing packing)
{
	struct compressor *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->fd = fd;
	c->name = name;
	c->packing = packing;
	c->block = malloc(DEFLATE_BLOCK + DEFLATE_PADDING);
	if (!c->block)
		abort();
	c->raw_hasher = hasher_new();
	return c;
}

void compressor_free(struct compressor *c)
{
	if (!c)
		return;
	hasher_free(c->raw_hasher);
	hasher_free(c->blob_hasher);
	hasher_free(c->diff_hasher);
	deflater_free(c->deflater);
	inflater_free(c->inflater);
	free(c->block);
	free(c->out);
	free(c);
}

static int put(struct compressor *c, const void *data, size_t len, struct error *e)
{
	if (c->blob_hasher)
		hasher_update(c->blob_hasher, data, len);
	c->blob_size += (int64_t)len;
	return file_write(c->fd, c->name, data, len, e);
}

static int hash_diff(void *context, const void *data, size_t len, struct error *e)
{
	struct compressor *c = context;
	(void)e;
	hasher_update(c->diff_hasher, data, len);
	c->diff_size += (int64_t)len;
	return 0;
}

static int begin(struct compressor *c, struct error *e)
{
	c->has_begun = true;
	c->encoding = encoding_sniff(c->block, c->filled);
	c->is_packed = c->packing == PACK_GZIP ||
		       (c->packing == PACK_AUTO && c->encoding == ENCODING_TAR);
	if (c->is_packed) {
		c->deflater = deflater_new();
		c->blob_hasher = hasher_new();
		c->out = malloc(DEFLATE_BOUND);
		if (!c->out)
			abort();
		return put(c, gzip_header, sizeof gzip_header, e);
	}
	if (c->encoding == ENCODING_GZIP || c->encoding == ENCODING_ZSTD) {
		c->inflater = inflater_new(c->encoding == ENCODING_ZSTD, hash_diff, c);
		c->diff_hasher = hasher_new();
	}
	return 0;
}

static int pack_block(struct compressor *c, struct error *e)
{
	memset(c->block + c->filled, 0, DEFLATE_PADDING);
	c->crc = deflate_crc(c->crc, c->block, c->filled);
	return put(c, c->out, deflate_block(c->deflater, c->block, c->filled, c->out), e);
}

/* Bytes that can't be inflated have no diffId; whether one is needed is not known here. */
static void lose_diff(struct compressor *c)
{
	inflater_free(c->inflater);
	c->inflater = NULL;
}

static int end_block(struct compressor *c, struct error *e)
{
	struct error ignored = {0};
	if (!c->has_begun && begin(c, e))
		return -1;
	if (!c->filled)
		return 0;
	hasher_update(c->raw_hasher, c->block, c->filled);
	c->raw_size += (int64_t)c->filled;
	if (c->inflater && inflater_write(c->inflater, c->block, c->filled, &ignored))
		lose_diff(c);
	int rc = c->is_packed ? pack_block(c, e) : put(c, c->block, c->filled, e);
	c->filled = 0;
	return rc;
}

int compressor_write(struct compressor *c, const void *data, size_t len, struct error *e)
{
	const unsigned char *from = data;
	while (len) {
		size_t room = DEFLATE_BLOCK - c->filled;
		size_t n = len < room ? len : room;
		memcpy(c->block + c->filled, from, n);
		c->filled += n;
		from += n;
		len -= n;
		if (c->filled == DEFLATE_BLOCK && end_block(c, e))
			return -1;
	}
	return 0;
}

static void put_le32(unsigned char *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

static int end_gzip(struct compressor *c, struct error *e)
{
	unsigned char trailer[8];
	put_le32(trailer, c->crc);
	put_le32(trailer + 4, (uint32_t)c->raw_size);
	return put(c, DEFLATE_END, DEFLATE_END_LEN, e) || put(c, trailer, sizeof trailer, e) ? -1 : 0;
}

int compressor_finish(struct compressor *c, struct packed *packed, struct error *e)
{
	struct error ignored = {0};
	if (end_block(c, e) || (c->is_packed && end_gzip(c, e)))
		return -1;
	if (c->inflater && inflater_finish(c->inflater, &ignored))
		lose_diff(c);
	*packed = (struct packed){
		.encoding = c->encoding,
		.is_packed = c->is_packed,
		.raw_size = c->raw_size,
		.blob_size = c->blob_size,
	};
	hasher_final(c->raw_hasher, &packed->raw);
	packed->blob = packed->raw;
	packed->diff_id = packed->raw;
	packed->diff_size = packed->raw_size;
	if (c->is_packed)
		hasher_final(c->blob_hasher, &packed->blob);
	if (c->diff_hasher) {
		packed->diff_size = c->diff_size;
		hasher_final(c->diff_hasher, &packed->diff_id);
		if (!c->inflater)
			packed->diff_id.text[0] = '\0';
	}
	return 0;
}
