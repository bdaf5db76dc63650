/* SPDX-License-Identifier: Apache-2.0 */
/* outcome: what a libcurl transfer that failed without an answer means, and how to say it. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "error.h"

#include <curl/curl.h>
#include <stdbool.h>

struct outcome {
	CURLcode code;
	long os_error;	 /* errno; 0: none */
	const char *why; /* of libcurl; "": it does not say. Borrowed */
	const char *url; /* of the request. Borrowed */
	bool has_tls;	 /* an earlier request had an answer over TLS, from this host or another */
};

/* STATUS_TEMPORARY where the same request may succeed later, else STATUS_FAILED. */
enum status outcome_status(const struct outcome *o);

/* Valid as long as O and its `why`, and up to the next call. */
const char *outcome_reason(const struct outcome *o);

#endif
