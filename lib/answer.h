/* SPDX-License-Identifier: Apache-2.0 */
/* answer: what an HTTP answer of a registry, or of a proxy before it, says: the exit status that a
 * refusal means and the line for people. */
#ifndef ANSWER_H
#define ANSWER_H

#include "error.h"
#include "http.h"

#include <stdbool.h>
#include <stdint.h>

/* Why, of what answers but is none. */
#define ANSWER_NO_REGISTRY "not a registry: are the host and the port right?"

/* 2xx as registries use it: 201 and 202 by the specification, 200 and 204 in old and odd ones. */
bool answer_is_success(const struct http_response *a);

/* A page for people: not from a registry's API. */
bool answer_is_html(const struct http_response *a);

/* Whether the beginning of the body holds TEXT, whatever the case of its letters. */
bool answer_says(const struct http_response *a, const char *text);

/* What an answer means for who has to decide how to go on. */
enum answer_class {
	ANSWER_OK,
	ANSWER_BUSY, /* again, later: 408, 425, 429, 499, 500, 502 to 504, 520 to 524, and 403 of
		      * a rate limit (GHCR) */
	ANSWER_TOO_LARGE, /* 413, and 416 whose text says it (GHCR) */
	ANSWER_BAD_RANGE, /* 416 */
	ANSWER_UNKNOWN,	  /* 404, and 400 of an unknown upload (olareg) */
	ANSWER_DENIED,	  /* 401, 403 */
	ANSWER_REFUSED,	  /* the rest */
};
enum answer_class answer_class(const struct http_response *a);

/* How many bytes the registry says it has of an upload: the end of its Range, in all the shapes
 * there are ("0-N", "bytes=0-N"; "0-0" and "0--1" for none). -1 when it says nothing. */
int64_t answer_range(const struct http_response *a);

/* E: "METHOD URL: status: what it means (what the body says): what to do". STATUS_DENIED for ANSWER_DENIED, STATUS_TEMPORARY for
 * ANSWER_BUSY and the rest of 5xx, else STATUS_FAILED. Returns -1. */
int answer_refused(const char *method, const struct http_response *a, struct error *e);

/* E: "METHOD URL: WHY (answered STATUS ...)". STATUS_FAILED. Returns -1. */
int answer_failed(const char *method, const struct http_response *a, const char *why,
		  struct error *e);

#endif
