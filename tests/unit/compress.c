/* SPDX-License-Identifier: Apache-2.0 */
/* What goes through compress comes out again, in pieces of any size; paths of a tar are cleaned. */
#include "check.h"
#include "compress.h"
#include "deflate.h"
#include "gzip.h"
#include "inflate.h"
#include "tarball.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

static int hash(void *context, const void *data, size_t len, struct error *e)
{
	(void)e;
	hasher_update(context, data, len);
	return 0;
}

static struct compression how = {.codec = CODEC_GZIP, .level = 1, .threads = 1};

/* Packs LEN bytes in pieces of STEP; returns the blob (to be freed). */
static unsigned char *pack(const unsigned char *data, size_t len, size_t step, enum packing packing,
			   struct packed *packed)
{
	struct error e = {0};
	FILE *file = tmpfile();
	int fd = fileno(file);
	struct compressor *c = compressor_new(fd, "test", packing, &how);
	for (size_t at = 0; at < len; at += step)
		CHECK(compressor_write(c, data + at, step < len - at ? step : len - at, &e) == 0);
	CHECK(compressor_finish(c, packed, &e) == 0);
	compressor_free(c);
	unsigned char *blob = malloc((size_t)packed->blob_size + 1);
	CHECK(pread(fd, blob, (size_t)packed->blob_size, 0) == packed->blob_size);
	fclose(file);
	return blob;
}

static void check_round(const unsigned char *data, size_t len)
{
	static const size_t steps[] = {7, 4096, 1 << 20, (1 << 20) + 1, 5 << 20};
	static const int counts[] = {1, 2, 1, 5, GZIP_THREADS_MAX};
	struct digest raw, first = {""}, back;
	digest_of(&raw, data, len);
	for (size_t i = len > 100000 ? 1 : 0; i < sizeof steps / sizeof *steps; i++) {
		struct packed p;
		struct error e = {0};
		how.threads = counts[i];
		unsigned char *blob = pack(data, len, steps[i], PACK_COMPRESS, &p);
		CHECK(p.is_packed && digest_equal(&p.raw, &raw) && digest_equal(&p.diff_id, &raw));
		CHECK(p.raw_size == (int64_t)len);
		if (i && digest_is_set(&first))
			CHECK(digest_equal(&first, &p.blob));
		first = p.blob;
		digest_of(&back, blob, (size_t)p.blob_size);
		CHECK(digest_equal(&back, &p.blob));
		struct hasher *h = hasher_new();
		struct inflater *inflater = inflater_new(false, hash, h);
		for (int64_t at = 0; at < p.blob_size; at += 1000)
			CHECK(inflater_write(
				      inflater, blob + at,
				      (size_t)(p.blob_size - at < 1000 ? p.blob_size - at : 1000),
				      &e) == 0);
		CHECK(inflater_finish(inflater, &e) == 0);
		hasher_final(h, &back);
		CHECK(digest_equal(&back, &raw));
		inflater_free(inflater);
		hasher_free(h);

		/* The blob, kept as it is, has the diffId of what is in it. */
		struct packed kept;
		unsigned char *copy = pack(blob, (size_t)p.blob_size, steps[i], PACK_AUTO, &kept);
		CHECK(kept.encoding == ENCODING_GZIP && !kept.is_packed);
		CHECK(digest_equal(&kept.blob, &p.blob) && digest_equal(&kept.diff_id, &raw));
		free(copy);
		/* Cut short, it has none. */
		copy = pack(blob, (size_t)p.blob_size - 1, steps[i], PACK_AUTO, &kept);
		CHECK(!digest_is_set(&kept.diff_id));
		free(copy);
		free(blob);
	}
}

static void test_rounds(void)
{
	size_t len = (3 << 20) + 17;
	unsigned char *data = malloc(len);
	unsigned state = 1;
	for (size_t i = 0; i < len; i++) {
		state = state * 1103515245 + 12345;
		data[i] = i / 65536 % 3 ? (unsigned char)(state >> 16) : (unsigned char)(i / 100);
	}
	check_round(data, 0);
	check_round(data, 1);
	check_round(data, 1 << 20);
	check_round(data, len);
	free(data);
}

/* Many streams, each at its own address, give the same bytes for the same block. Machine code, that
 * of this program, in small blocks is where a match that is missed shows. */
static void test_streams(void)
{
	enum { STREAMS = 16, LEN = 1024, STEP = 256, BLOCKS_MAX = 3000 };
	static unsigned char data[LEN + DEFLATE_PADDING], out[2][DEFLATE_BOUND];
	struct deflater *streams[STREAMS];
	int differ = 0, blocks = 0, code = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(code >= 0);
	for (int i = 0; i < STREAMS; i++)
		streams[i] = deflater_new(DEFLATE_LEVEL_MIN);
	while (blocks < BLOCKS_MAX && pread(code, data, LEN, (off_t)blocks * STEP) == LEN) {
		size_t len = deflate_block(streams[0], data, LEN, out[0]);
		for (int i = 1; i < STREAMS; i++)
			differ += deflate_block(streams[i], data, LEN, out[1]) != len ||
				  memcmp(out[0], out[1], len) != 0;
		blocks++;
	}
	CHECK(blocks > 500 && differ == 0);
	for (int i = 0; i < STREAMS; i++)
		deflater_free(streams[i]);
	close(code);
}

/* What does not compress is stored, and so is not more than a few bytes larger; what does a little
 * in one place is deflated as a whole. */
static void test_stored(void)
{
	static unsigned char data[DEFLATE_BLOCK + DEFLATE_PADDING], out[DEFLATE_BOUND];
	unsigned state = 1;
	struct deflater *d = deflater_new(DEFLATE_LEVEL_MIN);
	for (size_t i = 0; i < DEFLATE_BLOCK; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (unsigned char)(state >> 16);
	}
	size_t len = deflate_block(d, data, DEFLATE_BLOCK, out);
	CHECK(len == DEFLATE_BLOCK + 17 * 5);
	CHECK(memcmp(out, "\x00\xff\xff\x00\x00", 5) == 0 && memcmp(out + 5, data, 65535) == 0);
	memset(data + DEFLATE_BLOCK / 2, 'x', DEFLATE_BLOCK / 10);
	CHECK(deflate_block(d, data, DEFLATE_BLOCK, out) < DEFLATE_BLOCK * 92 / 100);
	memset(data + DEFLATE_BLOCK / 2, 'x', DEFLATE_BLOCK / 2);
	CHECK(deflate_block(d, data, DEFLATE_BLOCK, out) < DEFLATE_BLOCK * 3 / 5);
	/* Half the bits: what weights have that are shortened to 16 bits. */
	for (size_t i = 0; i < DEFLATE_BLOCK; i += 2)
		data[i] = (unsigned char)(data[i] & 15);
	CHECK(deflate_block(d, data, DEFLATE_BLOCK, out) < DEFLATE_BLOCK * 8 / 10);
	deflater_free(d);
}

/* However many workers there are and whatever pieces it comes in, also where the input ends with one of
 * libzstd's jobs. */
static void test_zstandard(void)
{
	enum { JOB = 4 << 20, LEN = 10 * JOB };
	static const size_t lens[] = {0, 1, 2, 100000, JOB, JOB + 1, LEN};
	static const int counts[] = {1, 3, 3};
	static const size_t steps[] = {100001, JOB, 1 << 20};
	unsigned char *data = malloc(LEN), *back = malloc(LEN);
	unsigned state = 1;
	for (size_t i = 0; i < LEN; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (unsigned char)(state >> 16);
	}
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		struct digest first = {""}, raw;
		digest_of(&raw, data, lens[i]);
		for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
			struct packed p;
			how = (struct compression){CODEC_ZSTD, 1, counts[k]};
			unsigned char *blob = pack(data, lens[i], steps[k], PACK_COMPRESS, &p);
			CHECK(p.is_packed && p.form == ENCODING_ZSTD);
			CHECK(digest_equal(&p.raw, &raw) && digest_equal(&p.diff_id, &raw));
			CHECK(k == 0 || digest_equal(&first, &p.blob));
			first = p.blob;
			CHECK(ZSTD_decompress(back, LEN, blob, (size_t)p.blob_size) == lens[i]);
			CHECK(memcmp(back, data, lens[i]) == 0);
			free(blob);
		}
	}
	how = (struct compression){CODEC_GZIP, 1, 1};
	free(data);
	free(back);
}

/* A disk that is full ends it, whatever the threads are at, and so does who gives up. */
static void test_failures(void)
{
	enum { LEN = 5 << 20 };
	unsigned char *data = calloc(1, LEN);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	static const int counts[] = {1, 2, GZIP_THREADS_MAX};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct coded result;
		struct error e = {0};
		struct gzip *g = gzip_new(full, "full", 1, counts[i]);
		int rc = gzip_write(g, data, LEN, &e);
		rc = rc ? rc : gzip_finish(g, &result, &e);
		CHECK(rc == -1 && e.status == STATUS_FAILED);
		CHECK(strstr(e.text, "No space left"));
		gzip_free(g);

		FILE *file = tmpfile();
		g = gzip_new(fileno(file), "given up", 1, counts[i]);
		CHECK(gzip_write(g, data, LEN, &e) == 0);
		gzip_free(g);
		fclose(file);
	}
	close(full);
	free(data);
}

/* A frame may end where the inflater's own block is full. */
static void test_zstd(void)
{
	enum { BLOCK = 128 * 1024 };
	static const size_t lens[] = {1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK};
	static unsigned char data[3 * BLOCK], blob[2 * sizeof data];
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		struct packed kept;
		struct digest raw;
		size_t len = ZSTD_compress(blob, sizeof blob, data, lens[i], 1);
		CHECK(!ZSTD_isError(len));
		digest_of(&raw, data, lens[i]);
		free(pack(blob, len, len, PACK_AUTO, &kept));
		CHECK(kept.encoding == ENCODING_ZSTD && digest_equal(&kept.diff_id, &raw));
		free(pack(blob, len - 1, len, PACK_AUTO, &kept));
		CHECK(!digest_is_set(&kept.diff_id));
	}
}

static void test_sniff(void)
{
	unsigned char block[ENCODING_SNIFF] = {0};
	CHECK(encoding_sniff(block, sizeof block) == ENCODING_TAR);
	CHECK(encoding_sniff(block, 100) == ENCODING_OTHER);
	block[0] = 'x';
	CHECK(encoding_sniff(block, sizeof block) == ENCODING_OTHER);
	CHECK(encoding_sniff("{}", 2) == ENCODING_OTHER);
	CHECK(encoding_sniff("\x1f\x8b", 2) == ENCODING_GZIP);
	CHECK(encoding_sniff("\x28\xb5\x2f\xfd", 4) == ENCODING_ZSTD);
	CHECK(encoding_sniff("", 0) == ENCODING_OTHER);
}

static void test_paths(void)
{
	static const struct {
		const char *base, *path, *to;
		bool is_link;
	} cases[] = {
		{"", "a/b", "a/b", false},
		{"", "./a//b/", "a/b", false},
		{"", "", "", false},
		{"", "a/../b", NULL, false},
		{"", "/a", NULL, false},
		{"x/y", "../z/l", "x/z/l", true},
		{"x", "../l", "l", true},
		{"x", "../../l", NULL, true},
		{"", "..", NULL, true},
		{"x", "./l", "x/l", true},
		{"", "..a/b..", "..a/b..", false},
		{"x", "/l", NULL, true},
	};
	char to[TARBALL_PATH_SIZE];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int rc = tarball_clean(to, cases[i].base, cases[i].path, cases[i].is_link);
		CHECK(cases[i].to ? rc == 0 && strcmp(to, cases[i].to) == 0 : rc == -1);
	}
	char *longer = malloc(2 * TARBALL_PATH_SIZE);
	memset(longer, 'a', 2 * TARBALL_PATH_SIZE);
	longer[2 * TARBALL_PATH_SIZE - 1] = '\0';
	CHECK(tarball_clean(to, "", longer, false) == -1);
	free(longer);
}

int main(void)
{
	test_rounds();
	test_streams();
	test_stored();
	test_failures();
	test_zstd();
	test_zstandard();
	test_sniff();
	test_paths();
	return failures != 0;
}
