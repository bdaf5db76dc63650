/* SPDX-License-Identifier: Apache-2.0 */
/* upload: one blob into the registry, from an open file. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "digest.h"
#include "error.h"
#include "registry.h"

#include <stdbool.h>
#include <stdint.h>

#define UPLOAD_CHUNK_BYTES 268435456   /* default of COG_PUSH_CHUNK_SIZE */
#define UPLOAD_THRESHOLD_BYTES 52428800 /* default of COG_PUSH_MULTIPART_THRESHOLD */

/* What decides how a blob is cut; bytes. */
struct upload_limits {
	int64_t chunk;	      /* of a body */
	int64_t threshold;    /* larger blobs go in chunks */
	int64_t announced_min; /* OCI-Chunk-Min-Length, OCI-Chunk-Max-Length; 0: none */
	int64_t announced_max;
};

struct upload_plan {
	bool is_one_body; /* PUT; else PATCHes and an empty PUT */
	int64_t chunk;	  /* bytes of every PATCH but the last */
};

/* How a blob of SIZE bytes (more than 0) goes. Announcements below 64 KiB or with min > max count as
 * none. All chunks are equal but the last, which is smaller and, where the limits leave a choice,
 * never of one byte (serverless-registry refuses that). */
struct upload_plan upload_plan(int64_t size, const struct upload_limits *limits);

struct upload_blob {
	const struct digest *digest;
	int fd; /* borrowed; read with pread */
	int64_t size;
};

/* Puts a blob into the registry, with `progress` records on stdout while it is sent and a `done`
 * record at the end; nothing but that record when the blob is there already. Of LIMITS the
 * announcements are ignored. Blocks. Statuses: those of registry.h; STATUS_DATA for a blob of 0
 * bytes, one whose bytes are not its digest or that became shorter: it is never committed. */
int upload_blob(struct registry *r, const struct upload_limits *limits,
		const struct upload_blob *blob, struct error *e);

#endif
