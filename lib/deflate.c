/* SPDX-License-Identifier: Apache-2.0 */
#include "deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	STORED_MAX = 65535, /* bytes of a stored block of the format */
	ASKED_MIN = 128 * 1024, /* bytes; what is less is deflated, whatever it is */
	SAMPLE = 128,
	SAMPLES = 64,
	LEAST_ALIKE = 120, /* percent of what random bytes have */
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

/* ISA-L has the fastest level only: its level 3 gives other bytes on other processors. */
enum { FASTEST = DEFLATE_LEVEL_MIN };

#ifdef HAVE_ISAL

#include <isa-l.h>
#include <sys/mman.h>

struct deflater {
	struct isal_zstream stream; /* first: its address is that of the whole */
	unsigned char level_buffer[ISAL_DEF_LVL1_DEFAULT];
	int level;
	z_stream zlib; /* of the other levels */
};

static bool is_for_zlib(int level)
{
	return level != FASTEST;
}

#define FIRST_ADDRESS UINT64_C(0x200000000000)
#define ADDRESS_STEP (UINT64_C(1) << 20) /* more than a deflater takes */
enum { BUCKETS = 8192, ADDRESSES = 64 * BUCKETS };

/* ISA-L 2.30 and 2.31 put a stray entry into their table of matches, in a bucket that comes from
 * bits 16 to 47 of the stream's address: with one bucket in 4,000 the same block gives other bytes,
 * equally valid. So all streams, in this process and others, have addresses of the same bucket. */
static unsigned bucket(uint64_t address)
{
	uint32_t bits = (uint32_t)(address >> 16);
	return crc32_iscsi((unsigned char *)&bits, sizeof bits, 0) % BUCKETS;
}

static void *map(uint64_t address)
{
	void *memory = mmap((void *)(uintptr_t)address, sizeof(struct deflater),
			    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Where the system gives no such address, another one has to do. */
static struct deflater *reserve(void)
{
	unsigned wanted = bucket(FIRST_ADDRESS);
	for (uint64_t i = 0; i < ADDRESSES; i++) {
		uint64_t address = FIRST_ADDRESS + i * ADDRESS_STEP;
		if (bucket(address) != wanted)
			continue;
		struct deflater *d = must(map(address)); /* zero: ISA-L looks at all of it */
		if ((uintptr_t)d == address)
			return d;
		munmap(d, sizeof *d);
	}
	return must(map(0));
}

static void give_back(struct deflater *d)
{
	munmap(d, sizeof *d);
}

static size_t squeeze_fast(struct deflater *d, const unsigned char *data, size_t len,
			   unsigned char *out)
{
	struct isal_zstream *s = &d->stream;
	isal_deflate_stateless_init(s);
	s->level = 1;
	s->level_buf = d->level_buffer;
	s->level_buf_size = sizeof d->level_buffer;
	s->flush = FULL_FLUSH;
	s->end_of_stream = 0;
	s->next_in = (uint8_t *)(uintptr_t)data;
	s->avail_in = (uint32_t)len;
	s->next_out = out;
	s->avail_out = DEFLATE_BOUND;
	if (isal_deflate_stateless(s) != COMP_OK || s->avail_in)
		abort();
	return s->total_out;
}

uint32_t deflate_crc(uint32_t crc, const void *data, size_t len)
{
	return crc32_gzip_refl(crc, data, len);
}

#else

struct deflater {
	int level;
	z_stream zlib;
};

static bool is_for_zlib(int level)
{
	(void)level;
	return true;
}

static struct deflater *reserve(void)
{
	return must(calloc(1, sizeof(struct deflater)));
}

static void give_back(struct deflater *d)
{
	free(d);
}

static size_t squeeze_fast(struct deflater *d, const unsigned char *data, size_t len,
			   unsigned char *out)
{
	(void)d, (void)data, (void)len, (void)out;
	abort();
}

uint32_t deflate_crc(uint32_t crc, const void *data, size_t len)
{
	return (uint32_t)crc32_z(crc, data, len);
}

#endif

struct deflater *deflater_new(int level)
{
	struct deflater *d = reserve();
	d->level = level;
	if (is_for_zlib(level) && deflateInit2(&d->zlib, level, Z_DEFLATED, -MAX_WBITS, 8,
					       Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return d;
}

void deflater_free(struct deflater *d)
{
	if (!d)
		return;
	if (is_for_zlib(d->level))
		deflateEnd(&d->zlib);
	give_back(d);
}

static size_t squeeze(struct deflater *d, const unsigned char *data, size_t len, unsigned char *out)
{
	z_stream *s = &d->zlib;
	if (!is_for_zlib(d->level))
		return squeeze_fast(d, data, len, out);
	s->next_in = (Bytef *)(uintptr_t)data;
	s->avail_in = (uInt)len;
	s->next_out = out;
	s->avail_out = DEFLATE_BOUND;
	if (deflateReset(s) != Z_OK || deflate(s, Z_FULL_FLUSH) != Z_OK || s->avail_in)
		abort();
	return s->total_out;
}

/* Where all bytes are about equally frequent, as in what is compressed already, one pair of 256 is alike.
 * Deflating gains some percent where more are. */
static bool is_worthwhile(const unsigned char *data, size_t len)
{
	enum { DRAWN = SAMPLES * SAMPLE };
	uint32_t counts[256] = {0};
	uint64_t alike = 0;
	size_t step = (len - SAMPLE) / (SAMPLES - 1);
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t j = 0; j < SAMPLE; j++)
			counts[data[i * step + j]]++;
	for (size_t i = 0; i < 256; i++)
		alike += (uint64_t)counts[i] * counts[i];
	return alike * 256 * 100 > (uint64_t)DRAWN * DRAWN * LEAST_ALIKE;
}

static size_t store(const unsigned char *data, size_t len, unsigned char *out)
{
	unsigned char *to = out;
	while (len) {
		size_t n = len < STORED_MAX ? len : STORED_MAX;
		unsigned char header[5] = {0, (unsigned char)n, (unsigned char)(n >> 8),
					   (unsigned char)~n, (unsigned char)(~n >> 8)};
		memcpy(to, header, sizeof header);
		memcpy(to + sizeof header, data, n);
		to += sizeof header + n;
		data += n;
		len -= n;
	}
	return (size_t)(to - out);
}

size_t deflate_block(struct deflater *d, const void *data, size_t len, unsigned char *out)
{
	if (len < ASKED_MIN || is_worthwhile(data, len))
		return squeeze(d, data, len, out);
	return store(data, len, out);
}
