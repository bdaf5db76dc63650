/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a refusal may be JSON as the specification has it, a bare JSON error, the page of a
 * proxy, or nothing (HEAD, some clouds). Nothing of it is required. */
#include "answer.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { DETAIL_SIZE = 260, ADVICE_SIZE = 130 };

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
		return answer_class(a) == ANSWER_BUSY ? "too many requests"
						      : "forbidden: the credentials do not allow it";
	case 404:
		return "not found: no such repository, upload or registry there";
	case 405:
		return "the registry takes no pushes";
	case 412:
		return "a policy of the registry forbids it";
	case 415:
		return "the registry does not take this type";
	case 507:
		return "the storage of the registry is full";
	case 413:
		return "the body is too large for the registry or a proxy before it";
	case 429:
		return "too many requests";
	default:
		return a->status >= 500 ? "the server failed" : "refused";
	}
}

static bool is_about_quota(const struct http_response *a)
{
	return a->status >= 400 && (answer_says(a, "quota") || answer_says(a, "configured upper limit"));
}

/* When it may be asked again, of an answer that says so. */
static void format_moment(const struct http_response *a, char text[ADVICE_SIZE])
{
	char moment[64] = "";
	struct tm tm;
	time_t then = time(NULL) + (time_t)((a->retry_after_ms + 999) / 1000);
	if (localtime_r(&then, &tm))
		strftime(moment, sizeof moment, "%Y-%m-%d %H:%M:%S %Z", &tm);
	snprintf(text, ADVICE_SIZE, ": not before %s", moment);
}

/* What to do about a refusal, with ": " before it; "" where that is not known. */
static void advise(const char *method, const struct http_response *a, char advice[ADVICE_SIZE])
{
	const char *text = "";
	bool is_manifest = strstr(a->url, "/manifests/");
	bool is_busy = answer_class(a) == ANSWER_BUSY;
	bool is_strange = a->status == 415 || (a->status == 400 && (answer_says(a, "MANIFEST_INVALID") ||
								    answer_says(a, "media type")));
	if (is_busy && a->retry_after_ms > 0) {
		format_moment(a, advice);
		return;
	}
	if (is_about_quota(a))
		text = ": make room there, or have the quota raised";
	else if (a->status == 429 || (a->status == 403 && is_busy))
		text = ": wait a while, or take fewer at a time (COG_PUSH_CONCURRENCY)";
	else if (a->status == 403)
		text = is_manifest ? ": push another tag if this one has to stay, or ask its owner for the right"
				   : ": ask its owner for the right to push";
	else if (a->status == 404 && (strcmp(method, "POST") == 0 || answer_says(a, "NAME_UNKNOWN")))
		text = ": create it first where the registry wants that, or mend the name";
	else if (a->status == 405)
		text = ": is it a mirror, or read-only?";
	else if (a->status == 413)
		text = is_manifest ? ": raise the limit there (nginx: client_max_body_size)"
				   : ": set COG_PUSH_CHUNK_SIZE below the limit, or raise it (nginx: "
				     "client_max_body_size)";
	else if (a->status == 507)
		text = ": make room there";
	else if (is_manifest && is_strange)
		text = ": an old registry may take it with --docker-types";
	else if (a->status == 500)
		text = ": its log has the reason";
	snprintf(advice, ADVICE_SIZE, "%s", text);
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
	char detail[DETAIL_SIZE], advice[ADVICE_SIZE], plain[LOCATION_SIZE];
	if (a->status < 300)
		return answer_failed(method, a, ANSWER_NO_REGISTRY, e);
	describe_body(a, detail);
	advise(method, a, advice);
	location_plain(a->url, plain);
	/* What to do comes last and is not to be cut. */
	int len = snprintf(NULL, 0, "%s %.150s: %d: %s (): %s", method, plain, a->status, meaning(a),
			   advice);
	int room = ERROR_TEXT_SIZE - 1 - len;
	return error_set(e, status_of(a), "%s %.150s: %d: %s%s%.*s%s%s", method, plain, a->status,
			 meaning(a), *detail ? " (" : "", room > 0 ? room : 0, detail,
			 *detail ? ")" : "", advice);
}

int answer_failed(const char *method, const struct http_response *a, const char *why,
		  struct error *e)
{
	char plain[LOCATION_SIZE];
	location_plain(a->url, plain);
	return error_set(e, STATUS_FAILED, "%s %.200s: %s (answered %d%s)", method, plain, why,
			 a->status, answer_is_html(a) ? " with an HTML page" : "");
}
