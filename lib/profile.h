/* SPDX-License-Identifier: Apache-2.0 */
/* profile: what was learnt about a registry host, kept for a week in the state directory as
 * hosts/<host>.json (: [ ] in the name are _), which a user may edit:
 *
 *	{"maxBody": 8388608, "maxChunk": 4194304, "oneBody": true, "chunked": true,
 *	 "lastInPut": true, "frozenRange": true, "time": 1790000000}
 *
 * A member that is absent says nothing. Without a time the file counts for good. */
#ifndef PROFILE_H
#define PROFILE_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_AGE_S (7 * 24 * 3600)

struct profile {
	int64_t max_body;  /* bytes: a larger request was refused with 413; 0: unknown */
	int64_t max_chunk; /* bytes: a larger PATCH was refused though a PUT may not be; 0: unknown
			    */
	bool is_one_body;  /* takes no blob in chunks */
	bool is_chunked;   /* takes no blob as one body */
	bool is_last_in_put;  /* wants the last chunk in the PUT */
	bool is_range_frozen; /* the Range of its answers does not move with what it has stored */
};

/* Reads what is known about HOST ("host[:port]"): for each member what was learnt, else what is
 * known of a few public registries (ECR, Google), else nothing. Never fails: a file that is not
 * understood counts as none. */
void profile_load(struct profile *p, const char *host);

bool profile_equal(const struct profile *a, const struct profile *b);

/* Keeps P; of what another process has learnt meanwhile the smaller limits count. -1 when that
 * fails: the caller may warn. */
int profile_save(const struct profile *p, const char *host, struct error *e);

#endif
