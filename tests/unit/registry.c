/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry is asked, in the place of lib/http.c: a session that is given up holds nobody. */
#include "check.h"
#include "registry.h"

#include <stdlib.h>
#include <string.h>

static struct http_request sent;
static int count;

struct http *http_new(const struct trust *trust, const char *host, struct error *e)
{
	(void)trust, (void)host, (void)e;
	return malloc(1);
}

void http_free(struct http *h)
{
	free(h);
}

/* The registry never answers. */
int http_send(struct http *h, const struct http_request *q, struct http_response *r,
	      struct error *e)
{
	(void)h, (void)r;
	sent = *q;
	count++;
	return error_set(e, STATUS_TEMPORARY, "no answer came in time");
}

int main(void)
{
	struct registry r;
	struct reference repository;
	struct trust_options trust = {0};
	struct error e = {0};
	struct session s = {.location = "https://127.0.0.1:5000/v2/a/b/blobs/uploads/u1"};
	if (reference_parse_repository(&repository, "127.0.0.1:5000/a/b", &e) ||
	    registry_open(&r, &repository, &trust, NULL, &e))
		abort();
	registry_cancel(&r, &s);
	CHECK(count == 1);
	CHECK(strcmp(sent.method, "DELETE") == 0);
	CHECK(sent.timeout_s > 0 && sent.timeout_s <= 10);
	registry_release(&r);
	return failures ? 1 : 0;
}
