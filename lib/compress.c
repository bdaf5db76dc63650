/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the bytes given is settled by the packing and, for PACK_AUTO, by the first
 * ENCODING_SNIFF of them:
 *
 *   packed   gzip or zstandard, with all digests     diffId = raw
 *   kept     hash (raw) -> file                      blob = raw
 *            if it is gzip or zstd: inflate -> hash (diffId) */
#include "compress.h"

#include "deflate.h"
#include "file.h"
#include "gzip.h"
#include "inflate.h"
#include "program.h"
#include "zstandard.h"

#include <stdlib.h>
#include <string.h>

struct compressor {
	int fd;
	const char *name;
	enum packing packing;
	struct compression how;
	unsigned char first[ENCODING_SNIFF];
	size_t first_len;
	bool has_begun; /* the encoding is known */
	enum encoding encoding;

	struct gzip *gzip;	     /* one of these, or */
	struct zstandard *zstandard; /* both NULL for what is kept */

	struct hasher *raw_hasher;
	int64_t raw_size;
	struct inflater *inflater; /* of a kept gzip or zstd; NULL once it failed */
	struct hasher *diff_hasher;
	int64_t diff_size;
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

int compression_parse(struct compression *c, const char *name, const char *text, struct error *e)
{
	static const struct {
		const char *name;
		enum codec codec;
		int level, level_max; /* 0: it has none */
	} kinds[] = {
		{"auto", CODEC_GZIP, DEFLATE_LEVEL_MIN, 0},
		{"gzip", CODEC_GZIP, DEFLATE_LEVEL_MIN, DEFLATE_LEVEL_MAX},
		{"zstd", CODEC_ZSTD, ZSTANDARD_LEVEL, ZSTANDARD_LEVEL_MAX},
		{"none", CODEC_NONE, 0, 0},
	};
	size_t len = strcspn(text, ":");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int level = kinds[i].level;
		if (strlen(kinds[i].name) != len || memcmp(kinds[i].name, text, len) != 0)
			continue;
		if (text[len]) {
			const char *number = text + len + 1;
			size_t digits = strspn(number, "0123456789");
			level = digits && digits <= 2 && !number[digits] ? atoi(number) : 0;
			if (level < 1 || level > kinds[i].level_max)
				break;
		}
		c->codec = kinds[i].codec;
		c->level = level;
		return 0;
	}
	return error_set(e, STATUS_USAGE, "%s: '%.60s' is none of auto, none, gzip, gzip:1 to gzip:%d, "
			 "zstd, zstd:1 to zstd:%d", name, text, DEFLATE_LEVEL_MAX, ZSTANDARD_LEVEL_MAX);
}

int compression_choose(struct compression *c, const char *text, struct error *e)
{
	const char *variable = program_env("COG_PUSH_COMPRESS");
	if (text)
		return compression_parse(c, "--compress", text, e);
	return compression_parse(c, "COG_PUSH_COMPRESS", variable ? variable : "auto", e);
}

struct compressor *compressor_new(int fd, const char *name, enum packing packing,
				  const struct compression *how)
{
	struct compressor *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->fd = fd;
	c->name = name;
	c->packing = packing;
	c->how = *how;
	return c;
}

void compressor_free(struct compressor *c)
{
	if (!c)
		return;
	gzip_free(c->gzip);
	zstandard_free(c->zstandard);
	hasher_free(c->raw_hasher);
	hasher_free(c->diff_hasher);
	inflater_free(c->inflater);
	free(c);
}

static int hash_diff(void *context, const void *data, size_t len, struct error *e)
{
	struct compressor *c = context;
	(void)e;
	hasher_update(c->diff_hasher, data, len);
	c->diff_size += (int64_t)len;
	return 0;
}

/* Bytes that can't be inflated have no diffId; whether one is needed is not known here. */
static void lose_diff(struct compressor *c)
{
	inflater_free(c->inflater);
	c->inflater = NULL;
}

static int keep(struct compressor *c, const void *data, size_t len, struct error *e)
{
	struct error ignored = {0};
	hasher_update(c->raw_hasher, data, len);
	c->raw_size += (int64_t)len;
	if (c->inflater && inflater_write(c->inflater, data, len, &ignored))
		lose_diff(c);
	return file_write(c->fd, c->name, data, len, e);
}

static int pass_on(struct compressor *c, const void *data, size_t len, struct error *e)
{
	return c->gzip	      ? gzip_write(c->gzip, data, len, e)
	       : c->zstandard ? zstandard_write(c->zstandard, data, len, e)
			      : keep(c, data, len, e);
}

static int begin(struct compressor *c, struct error *e)
{
	c->has_begun = true;
	c->encoding = encoding_sniff(c->first, c->first_len);
	bool is_packed = c->packing == PACK_COMPRESS ||
			 (c->packing == PACK_AUTO && c->encoding == ENCODING_TAR);
	if (is_packed && c->how.codec == CODEC_GZIP) {
		c->gzip = gzip_new(c->fd, c->name, c->how.level, c->how.threads);
	} else if (is_packed && c->how.codec == CODEC_ZSTD) {
		c->zstandard = zstandard_new(c->fd, c->name, c->how.level, c->how.threads);
	} else {
		c->raw_hasher = hasher_new();
		if (c->encoding == ENCODING_GZIP || c->encoding == ENCODING_ZSTD) {
			c->inflater = inflater_new(c->encoding == ENCODING_ZSTD, hash_diff, c);
			c->diff_hasher = hasher_new();
		}
	}
	return pass_on(c, c->first, c->first_len, e);
}

int compressor_write(struct compressor *c, const void *data, size_t len, struct error *e)
{
	const unsigned char *from = data;
	if (len && !c->has_begun) {
		size_t room = sizeof c->first - c->first_len;
		size_t n = len < room ? len : room;
		memcpy(c->first + c->first_len, from, n);
		c->first_len += n;
		from += n;
		len -= n;
		if (c->first_len < sizeof c->first)
			return 0;
		if (begin(c, e))
			return -1;
	}
	return len ? pass_on(c, from, len, e) : 0;
}

static int finish_coded(struct compressor *c, struct packed *packed, struct error *e)
{
	struct coded result;
	if (c->gzip ? gzip_finish(c->gzip, &result, e)
		    : zstandard_finish(c->zstandard, &result, e))
		return -1;
	*packed = (struct packed){
		.is_packed = true,
		.form = c->gzip ? ENCODING_GZIP : ENCODING_ZSTD,
		.raw = result.raw,
		.raw_size = result.raw_size,
		.blob = result.blob,
		.blob_size = result.blob_size,
		.diff_id = result.raw,
		.diff_size = result.raw_size,
	};
	return 0;
}

static void finish_kept(struct compressor *c, struct packed *packed)
{
	struct error ignored = {0};
	if (c->inflater && inflater_finish(c->inflater, &ignored))
		lose_diff(c);
	*packed = (struct packed){
		.form = c->encoding, .raw_size = c->raw_size, .blob_size = c->raw_size};
	hasher_final(c->raw_hasher, &packed->raw);
	packed->blob = packed->diff_id = packed->raw;
	packed->diff_size = c->raw_size;
	if (c->diff_hasher) {
		packed->diff_size = c->diff_size;
		hasher_final(c->diff_hasher, &packed->diff_id);
		if (!c->inflater)
			packed->diff_id.text[0] = '\0';
	}
}

int compressor_finish(struct compressor *c, struct packed *packed, struct error *e)
{
	if (!c->has_begun && begin(c, e))
		return -1;
	int rc = 0;
	if (c->gzip || c->zstandard)
		rc = finish_coded(c, packed, e);
	else
		finish_kept(c, packed);
	packed->encoding = c->encoding;
	return rc;
}
