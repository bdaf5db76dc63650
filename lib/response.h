/* SPDX-License-Identifier: Apache-2.0 */
/* response: what an HTTP answer says, as far as a client of registries needs it. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "buffer.h"
#include "location.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_MAX (16u << 10) /* bytes of an answer that are kept; what follows is dropped */
#define HTTP_HEADER_SIZE 256
#define HTTP_CHALLENGES_SIZE 8192

struct http_response {
	int status;		      /* 0: there was no answer */
	char url[LOCATION_SIZE];      /* that answered, after redirects */
	char location[LOCATION_SIZE]; /* as sent; "" when absent, like all headers */
	char content_type[HTTP_HEADER_SIZE];
	char content_digest[HTTP_HEADER_SIZE]; /* Docker-Content-Digest */
	char subject[HTTP_HEADER_SIZE];	       /* OCI-Subject */
	char api_version[HTTP_HEADER_SIZE];    /* Docker-Distribution-Api-Version */
	char range[HTTP_HEADER_SIZE];
	int64_t content_length;		       /* 0: absent */
	int64_t retry_after_ms;		       /* -1: absent, or a moment that is past */
	int64_t chunk_min, chunk_max;	       /* OCI-Chunk-{Min,Max}-Length; 0: absent */
	char challenges[HTTP_CHALLENGES_SIZE]; /* lines of WWW-Authenticate, joined by newlines */
	struct buffer body;		       /* the first HTTP_BODY_MAX bytes */
	int64_t sent_bytes;		       /* of the body, handed to the network */
	bool is_repeated; /* a kept connection ended, and libcurl sent all again over a new one: the
			     peer may have acted on the first */
	bool is_not_tls;  /* no answer: the peer does not speak TLS, and is on this machine */
};

void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r);

/* Forgets the status and the headers; a new answer begins. */
void http_response_clear(struct http_response *r);

/* Takes one header line of LEN bytes, its end included. */
void http_response_header(struct http_response *r, const char *line, size_t len);

/* Reads the answer that is left in the socket FD of a broken transfer, where there is one and it is
 * a refusal. Does not wait. */
void http_response_rescue(struct http_response *r, int fd);

#endif
