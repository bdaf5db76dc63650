/* SPDX-License-Identifier: Apache-2.0 */
#include "inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { OUT_SIZE = 128 * 1024 };

struct inflater {
	inflate_sink *sink;
	void *context;
	bool is_zstd;
	bool is_between; /* at the end of a member or frame */
	bool has_ended;	 /* what follows is no gzip member */
	z_stream gzip;
	ZSTD_DStream *zstd;
	unsigned char out[OUT_SIZE];
};

struct inflater *inflater_new(bool is_zstd, inflate_sink *sink, void *context)
{
	struct inflater *i = calloc(1, sizeof *i);
	if (!i)
		abort();
	i->sink = sink;
	i->context = context;
	i->is_zstd = is_zstd;
	i->is_between = true;
	if (is_zstd)
		i->zstd = ZSTD_createDStream();
	if (is_zstd ? !i->zstd : inflateInit2(&i->gzip, MAX_WBITS + 16) != Z_OK)
		abort();
	return i;
}

void inflater_free(struct inflater *i)
{
	if (!i)
		return;
	if (i->is_zstd)
		ZSTD_freeDStream(i->zstd);
	else
		inflateEnd(&i->gzip);
	free(i);
}

static int write_gzip(struct inflater *i, const unsigned char *data, size_t len, struct error *e)
{
	z_stream *s = &i->gzip;
	s->next_in = (Bytef *)(uintptr_t)data;
	s->avail_in = (uInt)len;
	bool is_full = false;
	while ((s->avail_in || is_full) && !i->has_ended) {
		if (i->is_between && s->avail_in && *s->next_in != 0x1f) {
			i->has_ended = true;
			break;
		}
		s->next_out = i->out;
		s->avail_out = OUT_SIZE;
		int rc = inflate(s, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return error_set(e, STATUS_DATA, "not valid gzip: %s",
					 s->msg ? s->msg : "damaged");
		i->is_between = rc == Z_STREAM_END;
		is_full = s->avail_out == 0 && !i->is_between;
		if (i->sink(i->context, i->out, OUT_SIZE - s->avail_out, e))
			return -1;
		if (i->is_between && inflateReset(s) != Z_OK)
			return error_set(e, STATUS_FAILED, "zlib failed");
	}
	return 0;
}

static int write_zstd(struct inflater *i, const void *data, size_t len, struct error *e)
{
	ZSTD_inBuffer in = {data, len, 0};
	bool is_full = false;
	while (in.pos < in.size || is_full) {
		ZSTD_outBuffer out = {i->out, OUT_SIZE, 0};
		size_t rc = ZSTD_decompressStream(i->zstd, &out, &in);
		if (ZSTD_isError(rc))
			return error_set(e, STATUS_DATA, "not valid zstd: %s", ZSTD_getErrorName(rc));
		i->is_between = rc == 0;
		is_full = out.pos == out.size && !i->is_between;
		if (i->sink(i->context, i->out, out.pos, e))
			return -1;
	}
	return 0;
}

int inflater_write(struct inflater *i, const void *data, size_t len, struct error *e)
{
	const unsigned char *from = data;
	const size_t most = 1u << 30; /* zlib counts in unsigned int */
	while (len) {
		size_t n = len < most ? len : most;
		if (i->is_zstd ? write_zstd(i, from, n, e) : write_gzip(i, from, n, e))
			return -1;
		from += n;
		len -= n;
	}
	return 0;
}

int inflater_finish(struct inflater *i, struct error *e)
{
	return i->is_between ? 0 : error_set(e, STATUS_DATA, "the compressed data is cut off");
}
