/* SPDX-License-Identifier: Apache-2.0 */
/* plan: how a blob is cut into bodies. */
#ifndef PLAN_H
#define PLAN_H

#include "error.h"
#include "profile.h"

#include <stdbool.h>
#include <stdint.h>

#define PLAN_CHUNK_BYTES 268435456    /* default of COG_PUSH_CHUNK_SIZE */
#define PLAN_SMALL_BYTES 65536	      /* up to here a round trip counts for more than the body */
#define PLAN_THRESHOLD_BYTES 52428800 /* default of COG_PUSH_MULTIPART_THRESHOLD */

/* What decides it; bytes. */
struct plan_limits {
	int64_t chunk;	       /* of a body */
	int64_t threshold;     /* larger blobs go in chunks */
	int64_t announced_min; /* OCI-Chunk-Min-Length, OCI-Chunk-Max-Length; 0: none */
	int64_t announced_max;
};

enum plan_shape {
	PLAN_ONE_BODY,	  /* PUT */
	PLAN_CHUNKS,	  /* PATCHes and an empty PUT */
	PLAN_LAST_IN_PUT, /* PATCHes and a PUT with the last chunk */
};

struct plan {
	enum plan_shape shape;
	int64_t chunk; /* bytes of every body but the last */
};

/* The limits of COG_PUSH_CHUNK_SIZE (or COG_PUSH_DEFAULT_CHUNK_SIZE) and
 * COG_PUSH_MULTIPART_THRESHOLD, nothing announced. STATUS_USAGE. */
int plan_limits_from_env(struct plan_limits *l, struct error *e);

/* How a blob of SIZE bytes (more than 0) goes to a host of which LEARNT is known. Announcements
 * below 64 KiB or with min > max count as none. All chunks are equal but the last, which is smaller
 * and, where the limits leave a choice, never of one byte (serverless-registry refuses that). */
struct plan plan_make(int64_t size, const struct plan_limits *limits, const struct profile *learnt);

/* Whether it is one small body: a POST and a PUT, and a question before them costs as much as
 * either. */
bool plan_is_small(int64_t size, const struct plan_limits *limits, const struct profile *learnt);

/* The next smaller body after one of BODY bytes was too large: half, but not less than what is
 * announced, else 1 MiB. 0 when BODY is that small already. */
int64_t plan_smaller(int64_t body, const struct plan_limits *limits);

#endif
