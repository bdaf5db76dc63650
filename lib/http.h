/* SPDX-License-Identifier: Apache-2.0 */
/* http: one request and its answer over a kept-alive connection. Knows nothing of registries. Does
 * not retry; does not wait for anything but the network. Every call blocks, and ends early with
 * STATUS_INTERRUPTED on a signal. */
#ifndef HTTP_H
#define HTTP_H

#include "buffer.h"
#include "error.h"
#include "location.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_MAX (16u << 10)	/* bytes of an answer that are kept; what follows is dropped */
#define HTTP_BODY_READ_MAX (1u << 20) /* bytes of an answer that are read at all */
#define HTTP_HEADER_SIZE 256
#define HTTP_CHALLENGES_SIZE 8192

/* Fills DATA with up to LEN bytes of the body from OFFSET on. May be asked again for an offset that
 * it gave before (a redirect, a connection that was found dead). Returns their number, or -1 with E
 * set, which ends the transfer before these bytes are sent. */
typedef int64_t http_reader(void *context, int64_t offset, void *data, size_t len,
			    struct error *e);

struct http_body {
	int64_t size; /* bytes, known before */
	http_reader *read;
	void *context;
};

struct http_request {
	const char *method;
	const char *url;
	const char *content_type;  /* NULL: none */
	const char *content_range; /* NULL: none */
	const char *accept;	   /* NULL: anything */
	const char *authorization; /* NULL: none; only the host of URL ever gets it */
	const struct http_body *body; /* NULL: empty; POST, PUT and PATCH say so in Content-Length */
	bool keeps_redirect;	      /* a redirect is an answer like any other */
};

struct http_response {
	int status;		 /* 0: there was no answer */
	char url[LOCATION_SIZE]; /* that answered, after redirects */
	char location[LOCATION_SIZE]; /* as sent; "" when absent, like all headers */
	char content_type[HTTP_HEADER_SIZE];
	char content_digest[HTTP_HEADER_SIZE]; /* Docker-Content-Digest */
	char api_version[HTTP_HEADER_SIZE];    /* Docker-Distribution-Api-Version */
	int64_t chunk_min, chunk_max;	       /* OCI-Chunk-{Min,Max}-Length; 0: absent */
	char challenges[HTTP_CHALLENGES_SIZE]; /* lines of WWW-Authenticate, joined by newlines */
	struct buffer body;		       /* the first HTTP_BODY_MAX bytes */
	int64_t sent_bytes;		       /* of the body, handed to the network */
	bool is_not_tls; /* no answer: the peer does not speak TLS */
};

struct http;

/* NULL with E set when libcurl can't start. */
struct http *http_new(struct error *e);
void http_free(struct http *h);

void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r);

/* Sends Q and fills in R, which was initialised and may be used again. 0 for an answer of any status;
 * it may have come before the body was sent. -1 without one: STATUS_TEMPORARY when the peer could
 * not be reached or went away, STATUS_FAILED when it is not to be trusted (TLS) or not understood,
 * STATUS_INTERRUPTED, or what the reader of the body has set.
 * Redirects are followed with the same method and body, 5 times, never from https to http. */
int http_send(struct http *h, const struct http_request *q, struct http_response *r,
	      struct error *e);

#endif
