/* SPDX-License-Identifier: Apache-2.0 */
/* answer: what an HTTP answer of a registry, or of a proxy before it, says: the exit status that a
 * refusal means and the line for people. */
#ifndef ANSWER_H
#define ANSWER_H

#include "error.h"
#include "http.h"

#include <stdbool.h>

/* 2xx as registries use it: 201 and 202 by the specification, 200 and 204 in old and odd ones. */
bool answer_is_success(const struct http_response *a);

/* A page for people: not from a registry's API. */
bool answer_is_html(const struct http_response *a);

/* E: "METHOD URL: status: what the body says". STATUS_DENIED for 401 and 403, STATUS_TEMPORARY for
 * 408, 429 and 5xx, else STATUS_FAILED. Returns -1. */
int answer_refused(const char *method, const struct http_response *a, struct error *e);

/* E: "METHOD URL: WHY (answered STATUS ...)". STATUS_FAILED. Returns -1. */
int answer_failed(const char *method, const struct http_response *a, const char *why,
		  struct error *e);

#endif
