/* SPDX-License-Identifier: Apache-2.0 */
/* retry: how often and after how long something is tried again. */
#ifndef RETRY_H
#define RETRY_H

#include "error.h"
#include "event.h"

#include <stdbool.h>
#include <stdint.h>

#define RETRY_TRIES 5	    /* default of COG_PUSH_RETRIES */
#define RETRY_DELAY_MS 2000 /* default of COG_PUSH_RETRY_DELAY_MS */

struct retry_policy {
	int64_t tries;	  /* again, in a row without progress; 0: never */
	int64_t unanswered; /* the same, where nobody answers */
	int64_t delay_ms; /* before the first; doubled each time */
};

/* For program_option(): those of every program that tries again. */
enum { RETRY_COUNT = 640, RETRY_FIRST_DELAY };
#define RETRY_OPTIONS                                                                              \
	{"retries", required_argument, NULL, RETRY_COUNT},                                         \
		{"retry-delay", required_argument, NULL, RETRY_FIRST_DELAY}

#define RETRY_USAGE                                                                                \
	"      --retries N          tries in a row without progress\n"                             \
	"      --retry-delay SECS   seconds before the first of them\n"

/* Takes one of these options, into the variables that are read below. STATUS_USAGE. */
int retry_option(int option, const char *value, struct error *e);

/* The policy of COG_PUSH_RETRIES and COG_PUSH_RETRY_DELAY_MS. STATUS_USAGE. */
int retry_policy_from_env(struct retry_policy *p, struct error *e);

/* Milliseconds before try number ATTEMPT (from 1): the delay doubled ATTEMPT - 1 times, at most 60
 * s, with jitter of up to a quarter of it, which RANDOM (any number) decides; at least
 * RETRY_AFTER_MS (-1: the server did not say), which counts up to 10 minutes. */
int64_t retry_delay(const struct retry_policy *p, int64_t attempt, int64_t retry_after_ms,
		    uint32_t random);

/* Writes the `retry` record and the line on stderr, then waits. Returns 0, or -1 with
 * STATUS_INTERRUPTED, or because stdout takes no more. */
int retry_wait(const struct event_retry *r, struct error *e);

/* The same without the record. */
int retry_pause(const struct event_retry *r, struct error *e);

#endif
