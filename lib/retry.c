/* SPDX-License-Identifier: Apache-2.0 */
#include "retry.h"

#include "clock.h"
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	DELAY_MAX_MS = 60 * 1000,
	SECONDS_MAX = 1000 * 1000, /* of an option; more than DELAY_MAX_MS is as good as that */
	RETRY_AFTER_MAX_MS = 600 * 1000,
	NAP_MS = 200, /* a signal may come just before a sleep begins */
};

int retry_option(int option, const char *value, struct error *e)
{
	char text[24];
	int64_t number = 0;
	if (option == RETRY_COUNT) {
		if (program_number("--retries", value, 0, &number, e))
			return -1;
		return setenv("COG_PUSH_RETRIES", value, 1) ? error_errno(e, "memory") : 0;
	}
	if (option != RETRY_FIRST_DELAY)
		return 0;
	if (program_number("--retry-delay", value, 0, &number, e))
		return -1;
	if (number > SECONDS_MAX)
		number = SECONDS_MAX;
	snprintf(text, sizeof text, "%" PRId64, number * 1000);
	return setenv("COG_PUSH_RETRY_DELAY_MS", text, 1) ? error_errno(e, "memory") : 0;
}

int retry_policy_from_env(struct retry_policy *p, struct error *e)
{
	*p = (struct retry_policy){.tries = RETRY_TRIES, .delay_ms = RETRY_DELAY_MS};
	if (program_env_number("COG_PUSH_RETRIES", 0, &p->tries, e))
		return -1;
	p->unanswered = p->tries;
	return program_env_number("COG_PUSH_RETRY_DELAY_MS", 0, &p->delay_ms, e);
}

int64_t retry_delay(const struct retry_policy *p, int64_t attempt, int64_t retry_after_ms,
		    uint32_t random)
{
	int64_t delay = p->delay_ms < DELAY_MAX_MS ? p->delay_ms : DELAY_MAX_MS;
	while (--attempt > 0 && delay < DELAY_MAX_MS)
		delay *= 2;
	if (delay > DELAY_MAX_MS)
		delay = DELAY_MAX_MS;
	delay += delay / 4 * (int64_t)(random % 1024) / 1024;
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	return delay > retry_after_ms ? delay : retry_after_ms;
}

static int wait_ms(int64_t ms, struct error *e)
{
	for (int64_t end = clock_now_ms() + ms; !program_is_interrupted();) {
		int64_t left = end - clock_now_ms();
		if (left <= 0)
			return 0;
		int64_t nap = left < NAP_MS ? left : NAP_MS;
		struct timespec t = {.tv_nsec = (long)nap * 1000000};
		(void)nanosleep(&t, NULL);
	}
	return program_interrupted(e);
}

int retry_pause(const struct event_retry *r, struct error *e)
{
	program_say("%.19s%s%s: again in %.1f s (%d of %d)", r->digest ? r->digest->text : "",
		    r->digest ? ": " : "", r->reason, (double)r->delay_ms / 1000, (int)r->attempt,
		    (int)r->max_attempts);
	return wait_ms(r->delay_ms, e);
}

int retry_wait(const struct event_retry *r, struct error *e)
{
	return event_retry(r, e) ? -1 : retry_pause(r, e);
}
