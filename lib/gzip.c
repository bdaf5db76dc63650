/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes are collected to blocks of DEFLATE_BLOCK bytes, which go round in a ring. Three jobs are
 * done on each, and any thread takes the next one that is ready:
 *
 *   write    block after block, by one thread at a time: hash (blob), CRC, file
 *   hash     block after block, by one thread at a time: hash (raw)
 *   deflate  any blocks at once
 *
 * Blocks have numbers, from 0 on, and block N lives in place N % places. The counters say how far
 * each job is: hashed, taken <= filled, written <= taken. A block belongs to the caller from when
 * its place is free (its former block hashed and written) until it is filled; then to the jobs:
 * hashing and deflating only read its data, writing reads what came out. The lock protects the
 * counters and flags, never data.
 *
 * The caller fills blocks. When no place is free it does jobs like all others, and alone does all
 * of them when there are no others. Threads are started with the second block: small inputs need
 * none.
 *
 * A failure to write is kept; from then on nothing is done to blocks, only counted, so that
 * everybody comes to an end, and the caller is told. */
#include "gzip.h"

#include "deflate.h"
#include "file.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* No name, no time, operating system unknown: the same input gives the same bytes. */
static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff};

enum { SPARE_PLACES = 3 }; /* being filled, written, and hashed, while each thread deflates one */

struct block {
	unsigned char
		*data;	    /* DEFLATE_BLOCK and DEFLATE_PADDING bytes; NULL before its first use */
	unsigned char *out; /* DEFLATE_BOUND bytes */
	size_t len, out_len;
	uint32_t crc; /* of data */
	bool is_deflated;
};

struct gzip {
	int fd;
	const char *name;
	int level;
	struct deflater *deflater; /* the caller's */
	int helper_count, helpers_wanted;
	pthread_t helpers[GZIP_THREADS_MAX];

	size_t place_count;
	struct block places[GZIP_THREADS_MAX + SPARE_PLACES];
	size_t filling; /* bytes in the block that the caller fills */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* there may be a job, or a free place */
	uint64_t filled, hashed, taken, written;
	bool is_hashing, is_writing, is_ended;
	bool has_failed;
	struct error error;

	/* Of who writes. */
	struct hasher *blob_hasher;
	int64_t blob_size;
	uint32_t crc;
	/* Of who hashes. */
	struct hasher *raw_hasher;
	int64_t raw_size;
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static struct block *place(struct gzip *g, uint64_t number)
{
	return &g->places[number % g->place_count];
}

/* The first thing to be written comes behind the header. */
static int put(struct gzip *g, const void *data, size_t len, struct error *e)
{
	if (g->blob_size == 0) {
		hasher_update(g->blob_hasher, header, sizeof header);
		g->blob_size = sizeof header;
		if (file_write(g->fd, g->name, header, sizeof header, e))
			return -1;
	}
	hasher_update(g->blob_hasher, data, len);
	g->blob_size += (int64_t)len;
	return file_write(g->fd, g->name, data, len, e);
}

/* --- The jobs. They are called with the lock held and give it back while they work. -------------
 */

/* Returns whether there was a block to write. */
static bool do_write(struct gzip *g)
{
	struct block *b = place(g, g->written);
	if (g->is_writing || g->written == g->taken || !b->is_deflated)
		return false;
	struct error e = {0};
	int rc = 0;
	g->is_writing = true;
	if (!g->has_failed) {
		pthread_mutex_unlock(&g->lock);
		g->crc = (uint32_t)crc32_combine(g->crc, b->crc, (z_off_t)b->len);
		rc = put(g, b->out, b->out_len, &e);
		pthread_mutex_lock(&g->lock);
	}
	if (rc) {
		g->has_failed = true;
		g->error = e;
	}
	g->is_writing = false;
	g->written++;
	return true;
}

static bool do_hash(struct gzip *g)
{
	struct block *b = place(g, g->hashed);
	if (g->is_hashing || g->hashed == g->filled)
		return false;
	g->is_hashing = true;
	pthread_mutex_unlock(&g->lock);
	hasher_update(g->raw_hasher, b->data, b->len);
	g->raw_size += (int64_t)b->len;
	pthread_mutex_lock(&g->lock);
	g->is_hashing = false;
	g->hashed++;
	return true;
}

static bool do_deflate(struct gzip *g, struct deflater *d)
{
	struct block *b = place(g, g->taken);
	if (g->taken == g->filled)
		return false;
	g->taken++;
	if (!g->has_failed) {
		pthread_mutex_unlock(&g->lock);
		memset(b->data + b->len, 0, DEFLATE_PADDING);
		b->crc = deflate_crc(0, b->data, b->len);
		b->out_len = deflate_block(d, b->data, b->len, b->out);
		pthread_mutex_lock(&g->lock);
	}
	b->is_deflated = true;
	return true;
}

/* Does a job, or waits until there may be one. */
static void work(struct gzip *g, struct deflater *d)
{
	if (do_write(g) || do_hash(g) || do_deflate(g, d))
		pthread_cond_broadcast(&g->changed);
	else
		pthread_cond_wait(&g->changed, &g->lock);
}

static void *run(void *argument)
{
	struct gzip *g = argument;
	struct deflater *d = deflater_new(g->level);
	pthread_mutex_lock(&g->lock);
	while (!g->is_ended)
		work(g, d);
	pthread_mutex_unlock(&g->lock);
	deflater_free(d);
	return NULL;
}

/* --- The caller's side --------------------------------------------------------------------------
 */

struct gzip *gzip_new(int fd, const char *name, int level, int threads)
{
	struct gzip *g = must(calloc(1, sizeof *g));
	g->fd = fd;
	g->name = name;
	g->level = level;
	g->helpers_wanted = threads - 1;
	g->place_count = threads == 1 ? 1 : (size_t)threads + SPARE_PLACES;
	g->raw_hasher = hasher_new();
	g->blob_hasher = hasher_new();
	g->deflater = deflater_new(level);
	if (pthread_mutex_init(&g->lock, NULL) || pthread_cond_init(&g->changed, NULL))
		abort();
	return g;
}

/* Signals are for the caller's thread. Fewer threads than wanted are enough. */
static void start_helpers(struct gzip *g)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (g->helper_count < g->helpers_wanted &&
	       pthread_create(&g->helpers[g->helper_count], NULL, run, g) == 0)
		g->helper_count++;
	g->helpers_wanted = g->helper_count;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop_helpers(struct gzip *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_ended = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	while (g->helper_count)
		pthread_join(g->helpers[--g->helper_count], NULL);
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	stop_helpers(g);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->changed);
	for (size_t i = 0; i < g->place_count; i++) {
		free(g->places[i].data);
		free(g->places[i].out);
	}
	deflater_free(g->deflater);
	hasher_free(g->raw_hasher);
	hasher_free(g->blob_hasher);
	free(g);
}

/* Blocks that are in the ring still, of one job or the other. */
static uint64_t pending(const struct gzip *g)
{
	return g->filled - (g->written < g->hashed ? g->written : g->hashed);
}

/* Hands the filled block to the jobs and waits until no more than MOST are with them. */
static int hand_over(struct gzip *g, uint64_t most, struct error *e)
{
	bool is_first = g->filled == 0;
	if (!is_first && g->helper_count < g->helpers_wanted)
		start_helpers(g);
	pthread_mutex_lock(&g->lock);
	if (g->filling) {
		struct block *b = place(g, g->filled);
		b->len = g->filling;
		b->is_deflated = false;
		g->filling = 0;
		g->filled++;
		pthread_cond_broadcast(&g->changed);
	}
	while (pending(g) > most)
		work(g, g->deflater);
	int rc = g->has_failed ? -1 : 0;
	if (rc)
		*e = g->error;
	pthread_mutex_unlock(&g->lock);
	return rc;
}

int gzip_write(struct gzip *g, const void *data, size_t len, struct error *e)
{
	const unsigned char *from = data;
	while (len) {
		struct block *b = place(g, g->filled);
		if (!b->data) {
			b->data = must(malloc(DEFLATE_BLOCK + DEFLATE_PADDING));
			b->out = must(malloc(DEFLATE_BOUND));
		}
		size_t room = DEFLATE_BLOCK - g->filling;
		size_t n = len < room ? len : room;
		memcpy(b->data + g->filling, from, n);
		g->filling += n;
		from += n;
		len -= n;
		if (g->filling == DEFLATE_BLOCK && hand_over(g, g->place_count - 1, e))
			return -1;
	}
	return 0;
}

static void put_le32(unsigned char *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

int gzip_finish(struct gzip *g, struct coded *result, struct error *e)
{
	unsigned char trailer[DEFLATE_END_LEN + 8] = DEFLATE_END;
	if (hand_over(g, 0, e))
		return -1;
	stop_helpers(g);
	put_le32(trailer + DEFLATE_END_LEN, g->crc);
	put_le32(trailer + DEFLATE_END_LEN + 4, (uint32_t)g->raw_size);
	if (put(g, trailer, sizeof trailer, e))
		return -1;
	result->raw_size = g->raw_size;
	result->blob_size = g->blob_size;
	hasher_final(g->raw_hasher, &result->raw);
	hasher_final(g->blob_hasher, &result->blob);
	return 0;
}
