/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "program.h"

enum {
	ANNOUNCED_LEAST = 64 * 1024,
	MARGIN = 64 * 1024, /* below OCI-Chunk-Max-Length, for proxies that count otherwise */
	SMALLEST_BODY = 1 << 20,
};

static int read_bytes(const char *name, int64_t *bytes, struct error *e)
{
	const char *text = program_env(name);
	return text ? program_bytes(name, text, 1, "", bytes, e) : 0;
}

int plan_limits_from_env(struct plan_limits *l, struct error *e)
{
	const char *name = program_env("COG_PUSH_CHUNK_SIZE") ? "COG_PUSH_CHUNK_SIZE"
							      : "COG_PUSH_DEFAULT_CHUNK_SIZE";
	*l = (struct plan_limits){.chunk = PLAN_CHUNK_BYTES, .threshold = PLAN_THRESHOLD_BYTES};
	if (read_bytes(name, &l->chunk, e))
		return -1;
	return read_bytes("COG_PUSH_MULTIPART_THRESHOLD", &l->threshold, e);
}

/* Sets MIN and MAX to what is announced and makes sense; 0: nothing. */
static void announced(const struct plan_limits *l, int64_t *min, int64_t *max)
{
	*min = l->announced_min >= ANNOUNCED_LEAST ? l->announced_min : 0;
	*max = l->announced_max >= ANNOUNCED_LEAST ? l->announced_max : 0;
	if (*max && *min > *max)
		*min = *max = 0;
}

/* LIMIT, or N where that is smaller; a limit of 0 is none. */
static int64_t at_most(int64_t n, int64_t limit)
{
	return limit > 0 && limit < n ? limit : n;
}

/* CHUNK, changed by as little as keeps the last chunk from being of one byte: down to LEAST, else
 * up to MOST. Both loops are short: few neighbours in a row divide SIZE - 1. */
static int64_t without_tail(int64_t size, int64_t chunk, int64_t least, int64_t most)
{
	for (int64_t n = chunk; n > 1 && n >= least; n--)
		if (size % n != 1)
			return n;
	for (int64_t n = chunk; n <= most; n++)
		if (size % n != 1)
			return n;
	return chunk;
}

struct plan plan_make(int64_t size, const struct plan_limits *limits, const struct profile *learnt)
{
	int64_t min, max;
	announced(limits, &min, &max);
	int64_t body = at_most(limits->chunk, max >= 2 * MARGIN ? max - MARGIN : max);
	body = at_most(body, learnt->max_body);
	if (body < min)
		body = min;
	bool is_small = size <= limits->threshold && size <= body;
	if (learnt->is_one_body || (is_small && !learnt->is_chunked))
		return (struct plan){.shape = PLAN_ONE_BODY, .chunk = size};
	int64_t chunk = at_most(body, learnt->max_chunk);
	if (chunk < min)
		chunk = min;
	if (chunk < 2)
		chunk = 2;
	int64_t most = at_most(at_most(max ? max : INT64_MAX, learnt->max_body), learnt->max_chunk);
	return (struct plan){
		.shape = learnt->is_last_in_put ? PLAN_LAST_IN_PUT : PLAN_CHUNKS,
		.chunk = chunk >= size ? size : without_tail(size, chunk, min, most),
	};
}

bool plan_is_small(int64_t size, const struct plan_limits *limits, const struct profile *learnt)
{
	return size <= PLAN_SMALL_BYTES && plan_make(size, limits, learnt).shape == PLAN_ONE_BODY;
}

int64_t plan_smaller(int64_t body, const struct plan_limits *limits)
{
	int64_t min, max;
	announced(limits, &min, &max);
	int64_t least = min ? min : SMALLEST_BODY;
	if (body <= least)
		return 0;
	return body / 2 > least ? body / 2 : least;
}
