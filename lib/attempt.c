/* SPDX-License-Identifier: Apache-2.0 */
#include "attempt.h"

#include "answer.h"
#include "clock.h"

#include <unistd.h>

void attempt_init(struct attempt *a, struct registry *r, const struct retry_policy *policy,
		  const struct digest *digest)
{
	*a = (struct attempt){.registry = r, .policy = policy, .digest = digest};
	/* The token service may fail before there is an answer. */
	r->response.status = 0;
}

void attempt_note(struct attempt *a, const struct error *e)
{
	const struct http_response *answer = &a->registry->response;
	/* 501 and its kin are temporary for who calls us, but not for the next minute. */
	bool is_lasting = answer->status >= 500 && answer_class(answer) == ANSWER_REFUSED;
	a->is_passing = e->status == STATUS_TEMPORARY && !is_lasting;
	a->http_status = answer->status;
	a->retry_after_ms = answer->status ? answer->retry_after_ms : -1;
}

int attempt_wait(struct attempt *a, struct error *e)
{
	const struct error failure = *e;
	int64_t tries = a->http_status ? a->policy->tries : a->policy->unanswered;
	if (a->failures >= tries)
		return 0;
	a->failures++;
	struct event_retry r = {
		.digest = a->digest,
		.attempt = a->failures,
		.max_attempts = tries,
		.delay_ms = retry_delay(a->policy, a->failures, a->retry_after_ms,
					(uint32_t)clock_now_ms() ^ (uint32_t)getpid()),
		.reason = failure.text,
		.http_status = a->http_status,
	};
	*e = (struct error){0};
	if (a->is_silent ? retry_pause(&r, e) : retry_wait(&r, e))
		return -1;
	a->registry->response.status = 0;
	return 1;
}

bool attempt_again(struct attempt *a, struct error *e)
{
	attempt_note(a, e);
	return a->is_passing && attempt_wait(a, e) > 0;
}
