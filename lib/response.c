/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

void http_response_init(struct http_response *r)
{
	*r = (struct http_response){.retry_after_ms = -1};
	buffer_init(&r->body, HTTP_BODY_MAX);
}

void http_response_release(struct http_response *r)
{
	buffer_release(&r->body);
}

void http_response_clear(struct http_response *r)
{
	r->status = 0;
	r->challenges[0] = '\0';
	r->location[0] = r->content_type[0] = r->content_digest[0] = r->api_version[0] = '\0';
	r->range[0] = r->subject[0] = '\0';
	r->retry_after_ms = -1;
	r->content_length = r->chunk_min = r->chunk_max = 0;
}

/* Copies the value of "NAME: value" when LINE is that header. Returns whether it is. One that does
 * not fit is worth nothing in part. */
static bool take(const char *line, size_t len, const char *name, char *value, size_t size)
{
	size_t name_len = strlen(name);
	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return false;
	const char *from = line + name_len + 1, *end = line + len;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && strchr(" \t\r\n", end[-1]))
		end--;
	size_t value_len = (size_t)(end - from);
	if (value_len >= size)
		value_len = 0;
	memcpy(value, from, value_len);
	value[value_len] = '\0';
	return true;
}

static bool take_number(const char *line, size_t len, const char *name, int64_t *number)
{
	char text[32];
	if (!take(line, len, name, text, sizeof text))
		return false;
	size_t digits = strspn(text, "0123456789");
	*number = digits > 0 && digits <= 18 && !text[digits] ? strtoll(text, NULL, 10) : 0;
	return true;
}

/* Seconds, or a date. */
static bool take_delay(const char *line, size_t len, int64_t *ms)
{
	char text[64];
	if (!take(line, len, "Retry-After", text, sizeof text))
		return false;
	size_t digits = strspn(text, "0123456789");
	time_t moment = digits ? 0 : curl_getdate(text, NULL);
	time_t now = time(NULL);
	if (digits && digits <= 9 && !text[digits])
		*ms = strtoll(text, NULL, 10) * 1000;
	else if (moment > now)
		*ms = (int64_t)(moment - now) * 1000;
	return true;
}

void http_response_header(struct http_response *r, const char *line, size_t len)
{
	size_t used = strlen(r->challenges);
	/* Appended behind a newline. What does not fit into the rest is left out. */
	if (used + 2 < sizeof r->challenges &&
	    take(line, len, "WWW-Authenticate", r->challenges + used + (used > 0),
		 sizeof r->challenges - used - 1) &&
	    used)
		r->challenges[used] = '\n';
	(void)(take(line, len, "Location", r->location, sizeof r->location) ||
	       take(line, len, "Content-Type", r->content_type, sizeof r->content_type) ||
	       take(line, len, "Docker-Content-Digest", r->content_digest,
		    sizeof r->content_digest) ||
	       take(line, len, "Docker-Distribution-Api-Version", r->api_version,
		    sizeof r->api_version) ||
	       take(line, len, "OCI-Subject", r->subject, sizeof r->subject) ||
	       take_number(line, len, "Content-Length", &r->content_length) ||
	       take(line, len, "Range", r->range, sizeof r->range) ||
	       take_delay(line, len, &r->retry_after_ms) ||
	       take_number(line, len, "OCI-Chunk-Min-Length", &r->chunk_min) ||
	       take_number(line, len, "OCI-Chunk-Max-Length", &r->chunk_max));
}

void http_response_rescue(struct http_response *r, int fd)
{
	char text[HTTP_BODY_MAX + 1];
	struct error ignored;
	size_t len = 0;
	ssize_t n;
	while (len < sizeof text - 1 &&
	       (n = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	const char *end = strstr(text, "\r\n\r\n");
	int status = 0;
	if (!end || sscanf(text, "HTTP/1.%*1d %3d", &status) != 1 || status < 300)
		return;
	r->status = status;
	for (const char *line = text; line < end; line += strcspn(line, "\n") + 1)
		http_response_header(r, line, strcspn(line, "\n"));
	(void)buffer_append(&r->body, end + 4, strlen(end + 4), &ignored);
}
