/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "plan.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB (INT64_C(1) << 20)
#define MARGIN INT64_C(65536)

struct plan_case {
	int64_t size;
	struct plan_limits limits; /* chunk, threshold, min, max */
	bool is_one_body;
	int64_t chunk;
};

static const struct plan_case cases[] = {
	/* the defaults */
	{1, {256 * MIB, 50 * MIB, 0, 0}, true, 1},
	{50 * MIB, {256 * MIB, 50 * MIB, 0, 0}, true, 50 * MIB},
	{50 * MIB + 1, {256 * MIB, 50 * MIB, 0, 0}, false, 50 * MIB + 1},
	{1000 * MIB, {256 * MIB, 50 * MIB, 0, 0}, false, 256 * MIB},
	/* one body only up to the chunk size too */
	{40 * MIB, {16 * MIB, 50 * MIB, 0, 0}, false, 16 * MIB},
	{16 * MIB, {16 * MIB, 50 * MIB, 0, 0}, true, 16 * MIB},
	/* the largest chunk, less the margin */
	{1000 * MIB, {256 * MIB, 50 * MIB, 0, 100000000}, false, 100000000 - MARGIN},
	{100000000, {256 * MIB, 1000 * MIB, 0, 100000000}, false, 100000000 - MARGIN},
	{1000 * MIB, {16 * MIB, 50 * MIB, 0, 100000000}, false, 16 * MIB},
	{10 * MIB, {256 * MIB, 1, 0, 2 * MARGIN}, false, MARGIN},
	{10 * MIB, {256 * MIB, 1, 0, 2 * MARGIN - 1}, false, 2 * MARGIN - 1},
	/* the smallest */
	{1000 * MIB, {1 * MIB, 50 * MIB, 5 * MIB, 0}, false, 5 * MIB},
	{1000 * MIB, {1 * MIB, 50 * MIB, 5 * MIB, 100000000}, false, 5 * MIB},
	{1000 * MIB, {256 * MIB, 50 * MIB, 100000000, 100000000}, false, 100000000},
	/* ignored */
	{1000 * MIB, {16 * MIB, 50 * MIB, 1000, 0}, false, 16 * MIB},
	{1000 * MIB, {16 * MIB, 50 * MIB, 0, 65535}, false, 16 * MIB},
	{1000 * MIB, {16 * MIB, 50 * MIB, 20 * MIB, 10 * MIB}, false, 16 * MIB},
	{1000 * MIB, {16 * MIB, 50 * MIB, 20 * MIB, 10}, false, 20 * MIB},
	/* no tail of one byte */
	{2 * MIB + 1, {1 * MIB, 1, 0, 0}, false, 1 * MIB - 1},
	{10 * MIB + 1, {5 * MIB, 1, 5 * MIB, 0}, false, 5 * MIB + 1},
	{10 * MIB + 1, {5 * MIB, 1, 5 * MIB, 6 * MIB}, false, 5 * MIB + 1},
	{10 * MIB + 1, {5 * MIB, 1, 5 * MIB, 5 * MIB}, false, 5 * MIB},
	{5, {2, 1, 0, 0}, false, 3},
	{7, {1, 1, 0, 0}, false, 4},
	{2, {1, 1, 0, 0}, false, 2},
	/* as large as it gets */
	{INT64_MAX, {256 * MIB, 50 * MIB, 0, INT64_MAX}, false, 256 * MIB},
	{INT64_MAX, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, true, INT64_MAX},
};

int main(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct plan_case *c = &cases[i];
		struct plan p = plan_make(c->size, &c->limits, &(struct profile){0});
		if ((p.shape == PLAN_ONE_BODY) == c->is_one_body && p.chunk == c->chunk)
			continue;
		printf("case %zu, %" PRId64 " bytes: got %s of %" PRId64 ", want %s of %" PRId64
		       "\n",
		       i, c->size, p.shape == PLAN_ONE_BODY ? "one body" : "chunks", p.chunk,
		       c->is_one_body ? "one body" : "chunks", c->chunk);
		failures++;
	}
	static const struct plan_limits usual = {.chunk = 1 << 28, .threshold = 50 << 20},
					chunks = {.chunk = 1 << 28, .threshold = 1};
	static const struct profile none, chunked = {.is_chunked = true};
	CHECK(plan_is_small(1, &usual, &none));
	CHECK(plan_is_small(65536, &usual, &none));
	CHECK(!plan_is_small(65537, &usual, &none));
	CHECK(!plan_is_small(1000, &chunks, &none));
	CHECK(!plan_is_small(1000, &usual, &chunked));
	for (int64_t size = 2; size < 3000; size++)
		for (int64_t chunk = 1; chunk < 100; chunk++) {
			struct plan_limits limits = {.chunk = chunk, .threshold = 1};
			struct plan p = plan_make(size, &limits, &(struct profile){0});
			if (p.shape != PLAN_ONE_BODY && p.chunk < size && size % p.chunk == 1) {
				printf("%" PRId64 " bytes in chunks of %" PRId64 ": one is left\n",
				       size, p.chunk);
				failures++;
			}
		}
	return failures != 0;
}
