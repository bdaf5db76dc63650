/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a refusal may be JSON as the specification has it, a bare JSON error, the page of a
 * proxy, or nothing (HEAD, some clouds). Nothing of it is required. */
#include "answer.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DETAIL_SIZE = 260 };

bool answer_is_success(const struct http_response *a)
{
	return a->status == 200 || a->status == 201 || a->status == 202 || a->status == 204;
}

bool answer_is_html(const struct http_response *a)
{
	return strncasecmp(a->content_type, "text/html", 9) == 0;
}

/* "CODE: message" of errors[0], or of the document itself. */
static bool read_json(const struct http_response *a, char detail[DETAIL_SIZE])
{
	struct error ignored = {0};
	if (!a->body.len || *a->body.data != '{')
		return false;
	json_t *root = json_parse("answer", a->body.data, a->body.len, &ignored);
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *code = json_text(first ? first : root, "code");
	const char *message = json_text(first ? first : root, "message");
	if (!message)
		message = json_text(first ? first : root, "error");
	bool is_known = code || message;
	if (is_known)
		snprintf(detail, DETAIL_SIZE, "%.80s%s%.170s", code ? code : "",
			 code && message ? ": " : "", message ? message : "");
	json_decref(root);
	return is_known;
}

bool answer_says(const struct http_response *a, const char *text)
{
	size_t len = strlen(text);
	for (size_t i = 0; i + len <= a->body.len; i++)
		if (strncasecmp(a->body.data + i, text, len) == 0)
			return true;
	return false;
}

enum answer_class answer_class(const struct http_response *a)
{
	switch (a->status) {
	case 401:
		return ANSWER_DENIED;
	case 403:
		return answer_says(a, "rate limit") ? ANSWER_BUSY : ANSWER_DENIED;
	case 404:
		return ANSWER_UNKNOWN;
	case 400:
		return answer_says(a, "BLOB_UPLOAD_UNKNOWN") ? ANSWER_UNKNOWN : ANSWER_REFUSED;
	case 413:
		return ANSWER_TOO_LARGE;
	case 416:
		return answer_says(a, "too large") ? ANSWER_TOO_LARGE : ANSWER_BAD_RANGE;
	case 408:
	case 425:
	case 429:
	case 499:
	case 500:
	case 502:
	case 503:
	case 504:
		return ANSWER_BUSY;
	default:
		if (answer_is_success(a))
			return ANSWER_OK;
		return a->status >= 520 && a->status <= 524 ? ANSWER_BUSY : ANSWER_REFUSED;
	}
}

int64_t answer_range(const struct http_response *a)
{
	const char *text = a->range;
	if (strncasecmp(text, "bytes", 5) == 0)
		text += 5 + (text[5] == '=' || text[5] == ' ');
	const char *end = strncmp(text, "0-", 2) == 0 ? text + 2 : "";
	size_t digits = strspn(end, "0123456789");
	if (strcmp(end, "-1") == 0)
		return 0;
	if (digits == 0 || digits > 18 || end[digits])
		return -1;
	int64_t last = strtoll(end, NULL, 10);
	return last ? last + 1 : 0;
}

/* nginx and its kin ask for a client certificate, take whatever comes, and refuse it with a page. */
static const char *certificate_hint(const struct http_response *a)
{
	bool is_about_it = (a->status == 400 || a->status == 495 || a->status == 496) &&
			   answer_is_html(a) && answer_says(a, "SSL certificate");
	if (!is_about_it)
		return NULL;
	return answer_says(a, "No required") ? "it wants a client certificate: --cert and --key"
						   : "it refuses the client certificate";
}

static void describe_body(const struct http_response *a, char detail[DETAIL_SIZE])
{
	detail[0] = '\0';
	if (answer_is_html(a)) {
		snprintf(detail, DETAIL_SIZE, "%s", certificate_hint(a) ? "" : "an HTML page");
		return;
	}
	if (!a->body.len || read_json(a, detail))
		return;
	const char *text = a->body.data + strspn(a->body.data, " \t\r\n");
	size_t len = strcspn(text, "\r\n");
	snprintf(detail, DETAIL_SIZE, "%.*s", len < 170 ? (int)len : 170, text);
}

static const char *meaning(const struct http_response *a)
{
	const char *hint = certificate_hint(a);
	if (hint)
		return hint;
	switch (a->status) {
	case 401:
		return "unauthorized: credentials are missing or wrong";
	case 403:
		return "forbidden: the credentials do not allow it";
	case 404:
		return "not found: no such repository, upload or registry there";
	case 413:
		return strstr(a->url, "/manifests/")
			       ? "too large"
			       : "the body is too large for the registry or a proxy before it: "
				 "set COG_PUSH_CHUNK_SIZE smaller";
	case 429:
		return "too many requests";
	default:
		return a->status >= 500 ? "the server failed" : "refused";
	}
}

static enum status status_of(const struct http_response *a)
{
	enum answer_class class = answer_class(a);
	if (class == ANSWER_DENIED)
		return STATUS_DENIED;
	return class == ANSWER_BUSY || a->status >= 500 ? STATUS_TEMPORARY : STATUS_FAILED;
}

int answer_refused(const char *method, const struct http_response *a, struct error *e)
{
	char detail[DETAIL_SIZE], plain[LOCATION_SIZE];
	if (a->status < 300)
		return answer_failed(method, a, "not a registry", e);
	describe_body(a, detail);
	location_plain(a->url, plain);
	return error_set(e, status_of(a), "%s %.200s: %d: %s%s%s%s", method, plain,
			 a->status, meaning(a), *detail ? " (" : "", detail, *detail ? ")" : "");
}

int answer_failed(const char *method, const struct http_response *a, const char *why,
		  struct error *e)
{
	char plain[LOCATION_SIZE];
	location_plain(a->url, plain);
	return error_set(e, STATUS_FAILED, "%s %.200s: %s (answered %d%s)", method, plain, why,
			 a->status, answer_is_html(a) ? " with an HTML page" : "");
}
