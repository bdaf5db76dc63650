/* SPDX-License-Identifier: Apache-2.0 */
/* The threads are libzstd's. It cuts the input into jobs of JOB_BYTES, each of which one worker
 * compresses, and puts what they give in order. With workers, be it one, the result is the same with
 * any number of them; without, it would be another.
 *
 * Where the input ends with a job, the end of the frame goes into that job or, when a worker has it by
 * then, into an empty block behind it, which is a matter of time. So the last byte is held back until it
 * is known to be that. */
#include "zstandard.h"

#include "file.h"

#include <stdlib.h>
#include <zstd.h>

/* What bounds the memory: a worker has a job of input and of output and the tables for the window. From
 * WINDOW_LEVEL on the window would be at least the largest that we want. */
enum { JOB_BYTES = 4 << 20, WINDOW_LOG_MAX = 21, WINDOW_LEVEL = 3 };
enum { HEAVY_LEVEL = 10, HEAVY_THREADS_MAX = 4 }; /* 60 to 100 MiB each */

struct zstandard {
	int fd;
	const char *name;
	ZSTD_CCtx *context;
	struct hasher *raw_hasher, *blob_hasher;
	int64_t raw_size, blob_size;
	unsigned char *out;
	size_t out_size;
	unsigned char last; /* byte given, if any */
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

struct zstandard *zstandard_new(int fd, const char *name, int level, int threads)
{
	struct zstandard *z = must(calloc(1, sizeof *z));
	*z = (struct zstandard){.fd = fd, .name = name, .context = must(ZSTD_createCCtx())};
	z->out_size = ZSTD_CStreamOutSize();
	z->out = must(malloc(z->out_size));
	z->raw_hasher = hasher_new();
	z->blob_hasher = hasher_new();
	if (level >= WINDOW_LEVEL)
		ZSTD_CCtx_setParameter(z->context, ZSTD_c_windowLog, WINDOW_LOG_MAX);
	ZSTD_CCtx_setParameter(z->context, ZSTD_c_compressionLevel, level);
	/* A libzstd that was built without threads refuses these and does without. */
	if (level >= HEAVY_LEVEL && threads > HEAVY_THREADS_MAX)
		threads = HEAVY_THREADS_MAX;
	ZSTD_CCtx_setParameter(z->context, ZSTD_c_nbWorkers, threads);
	ZSTD_CCtx_setParameter(z->context, ZSTD_c_jobSize, JOB_BYTES);
	return z;
}

void zstandard_free(struct zstandard *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->context);
	hasher_free(z->raw_hasher);
	hasher_free(z->blob_hasher);
	free(z->out);
	free(z);
}

/* One step; *LEFT is what libzstd says: with ZSTD_e_end 0 when all is out. */
static int step(struct zstandard *z, ZSTD_inBuffer *in, ZSTD_EndDirective how, size_t *left,
		struct error *e)
{
	ZSTD_outBuffer out = {z->out, z->out_size, 0};
	*left = ZSTD_compressStream2(z->context, &out, in, how);
	if (ZSTD_isError(*left))
		return error_set(e, STATUS_FAILED, "zstd: %s", ZSTD_getErrorName(*left));
	hasher_update(z->blob_hasher, z->out, out.pos);
	z->blob_size += (int64_t)out.pos;
	return file_write(z->fd, z->name, z->out, out.pos, e);
}

static int pass_on(struct zstandard *z, const void *data, size_t len, struct error *e)
{
	ZSTD_inBuffer in = {data, len, 0};
	size_t left;
	while (in.pos < in.size)
		if (step(z, &in, ZSTD_e_continue, &left, e))
			return -1;
	return 0;
}

int zstandard_write(struct zstandard *z, const void *data, size_t len, struct error *e)
{
	const unsigned char *bytes = data;
	if (!len)
		return 0;
	if (z->raw_size && pass_on(z, &z->last, 1, e))
		return -1;
	hasher_update(z->raw_hasher, data, len);
	z->raw_size += (int64_t)len;
	z->last = bytes[len - 1];
	return pass_on(z, data, len - 1, e);
}

int zstandard_finish(struct zstandard *z, struct coded *result, struct error *e)
{
	ZSTD_inBuffer in = {&z->last, z->raw_size ? 1 : 0, 0};
	size_t left = 1;
	while (left)
		if (step(z, &in, ZSTD_e_end, &left, e))
			return -1;
	result->raw_size = z->raw_size;
	result->blob_size = z->blob_size;
	hasher_final(z->raw_hasher, &result->raw);
	hasher_final(z->blob_hasher, &result->blob);
	return 0;
}
