/* SPDX-License-Identifier: Apache-2.0 */
/* http: one request and its answer over a kept-alive connection. Knows nothing of registries. Does
 * not retry; does not wait for anything but the network. Every call blocks, and ends early with
 * STATUS_INTERRUPTED on a signal. */
#ifndef HTTP_H
#define HTTP_H

#include "error.h"
#include "location.h"
#include "response.h"
#include "trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_READ_MAX (1u << 20) /* bytes of an answer that are read at all */

/* Fills DATA with up to LEN bytes of the body from OFFSET on. May be asked again for an offset that
 * it gave before (a redirect, a connection that was found dead). Returns their number, or -1 with E
 * set, which ends the transfer before these bytes are sent. */
typedef int64_t http_reader(void *context, int64_t offset, void *data, size_t len, struct error *e);

/* Told now and then, also while nothing moves, how many bytes of the body the peer's system has, or where
 * this one can't say, how many were sent. Returns 0, or -1 with E set, which ends the transfer. */
typedef int http_teller(void *context, int64_t bytes, struct error *e);

struct http_body {
	int64_t size; /* bytes, known before */
	http_reader *read;
	http_teller *tell; /* NULL: nobody is told */
	void *context;
};

struct http_request {
	const char *method;
	const char *url;
	const char *content_type;  /* NULL: none */
	const char *content_range; /* NULL: none */
	const char *accept;	   /* NULL: anything */
	const char *authorization; /* NULL: none; only the host of URL ever gets it */
	const struct http_body
		*body;	     /* NULL: empty; POST, PUT and PATCH say so in Content-Length */
	struct buffer *sink; /* takes the whole body of a success, which is no answer when it does not
				fit; NULL: the response keeps the beginning of it */
	bool keeps_redirect; /* a redirect is an answer like any other */
	int timeout_s;	     /* for all of a hop; 0: none */
};

struct http;

/* TRUST is borrowed; HOST ("host[:port]", borrowed) is the registry's: no other gets the client
 * certificate. Plain HTTP goes to loopback addresses only, unless TRUST allows it. NULL with E set
 * when libcurl can't start. */
struct http *http_new(const struct trust *trust, const char *host, struct error *e);
void http_free(struct http *h);

/* Sends Q and fills in R, which was initialised and may be used again. 0 for an answer of any
 * status; it may have come before the body was sent. -1 without one: STATUS_TEMPORARY when the peer
 * could not be reached or went away, STATUS_FAILED when it is not to be trusted (TLS) or not
 * understood, STATUS_INTERRUPTED, or what the reader of the body has set. Redirects are followed
 * with the same method and body, 5 times, never from https to http. */
int http_send(struct http *h, const struct http_request *q, struct http_response *r,
	      struct error *e);

#endif
