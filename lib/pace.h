/* SPDX-License-Identifier: Apache-2.0 */
/* pace: how fast bytes may leave, for all programs of a run together.
 *
 * The rate is in a file of the run directory that the user may change at any time; without a run it
 * is that of COG_PUSH_LIMIT_RATE, for this process alone. What is shared is not the rate but the
 * time: a file beside it says when the next bytes may leave, and who wants to send moves that
 * moment by as long as its bytes take. So nobody holds a share: what one does not use the others
 * have, and one that was killed is not missed. */
#ifndef PACE_H
#define PACE_H

#include "error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_ENV "COG_PUSH_LIMIT_RATE"
#define PACE_FILE "limit-rate" /* in COG_RUN_DIR */

struct pace {
	char path[PATH_MAX]; /* of the file with the rate; "": there is none */
	int64_t rate;	     /* bytes a second; 0: no limit */
	int64_t read_ms;     /* when the file was last looked at */
	int64_t granted;     /* bytes that may leave at once */
	int64_t next_ms;     /* when the next may, where nothing is shared */
};

/* TEXT as bytes a second, as curl has it: a number, and k, M or G for 1024 times, twice and three
 * times. 0 is no limit. NAME (an option or a variable) is for the message. STATUS_USAGE. */
int pace_parse(const char *name, const char *text, int64_t *rate, struct error *e);

/* What the environment says. STATUS_USAGE. */
int pace_init(struct pace *p, struct error *e);

/* How many of LEN bytes (more than 0) may leave now: 1 to LEN. Blocks until the first may, or a
 * signal comes. Sets *HAS_WAITED if it did so; else it stays as it is. */
size_t pace_take(struct pace *p, size_t len, bool *has_waited);

#endif
