/* SPDX-License-Identifier: Apache-2.0 */
/* attempt: a request that is sent again, as the policy says, while it fails in passing: the
 * registry can't be reached or goes away, 408, 425, 429, 5xx. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "digest.h"
#include "error.h"
#include "registry.h"
#include "retry.h"

#include <stdbool.h>
#include <stdint.h>

struct attempt {
	struct registry *registry;
	const struct retry_policy *policy;
	const struct digest *digest; /* for the record; NULL: none */
	bool is_silent;		     /* writes no record */
	int64_t failures;	     /* in a row */
	/* Of the last failure. */
	bool is_passing;
	int http_status; /* 0: there was no answer */
	int64_t retry_after_ms;
};

/* For the requests to R that come next. All is borrowed. */
void attempt_init(struct attempt *a, struct registry *r, const struct retry_policy *policy,
		  const struct digest *digest);

/* Keeps what the last answer says of the failure E, before another request is made. */
void attempt_note(struct attempt *a, const struct error *e);

/* Waits before another try, after the failure that was noted; E is it. Returns 1 and clears E, 0
 * when there were tries enough, or -1 with E why it did not wait (a signal, stdout). */
int attempt_wait(struct attempt *a, struct error *e);

/* Both, for a verb of the registry that has failed with E. Whether it is to be tried again; E is
 * why when not. */
bool attempt_again(struct attempt *a, struct error *e);

#endif
