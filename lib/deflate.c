/* SPDX-License-Identifier: Apache-2.0 */
#include "deflate.h"

#include <stdlib.h>

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

#ifdef HAVE_ISAL

#include <isa-l.h>
#include <sys/mman.h>

enum { LEVEL = 1 }; /* level 3 gives other bytes on other processors */

/* ISA-L 2.30 and 2.31 put a stray entry into their table of matches, at a place that they compute from
 * the address of the stream: in some 1 of 4,000 processes the same block gave other bytes, equally
 * valid. So the stream has the same address in every process, wherever the system can give it. */
#define STREAM_ADDRESS ((void *)0x200000000000)

struct deflater {
	struct isal_zstream stream;
	unsigned char level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

struct deflater *deflater_new(void)
{
	void *memory = mmap(STREAM_ADDRESS, sizeof(struct deflater), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return must(memory == MAP_FAILED ? NULL : memory); /* zero: ISA-L looks at all of it */
}

void deflater_free(struct deflater *d)
{
	if (d)
		munmap(d, sizeof *d);
}

size_t deflate_block(struct deflater *d, const void *data, size_t len, unsigned char *out)
{
	struct isal_zstream *s = &d->stream;
	isal_deflate_stateless_init(s);
	s->level = LEVEL;
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

#include <zlib.h>

enum { LEVEL = 1 };

struct deflater {
	z_stream stream;
};

struct deflater *deflater_new(void)
{
	struct deflater *d = must(calloc(1, sizeof *d));
	if (deflateInit2(&d->stream, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return d;
}

void deflater_free(struct deflater *d)
{
	if (!d)
		return;
	deflateEnd(&d->stream);
	free(d);
}

size_t deflate_block(struct deflater *d, const void *data, size_t len, unsigned char *out)
{
	z_stream *s = &d->stream;
	s->next_in = (Bytef *)(uintptr_t)data;
	s->avail_in = (uInt)len;
	s->next_out = out;
	s->avail_out = DEFLATE_BOUND;
	if (deflateReset(s) != Z_OK || deflate(s, Z_FULL_FLUSH) != Z_OK || s->avail_in)
		abort();
	return s->total_out;
}

uint32_t deflate_crc(uint32_t crc, const void *data, size_t len)
{
	return (uint32_t)crc32_z(crc, data, len);
}

#endif
