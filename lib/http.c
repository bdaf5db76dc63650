/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 only: uploads suffer from the flow control and stream resets of HTTP/2, and several
 * connections are what the pool of uploaders is for. No "Expect: 100-continue": some peers never
 * answer it. Always a Content-Length: old proxies and some registries take no chunked encoding.
 *
 * A peer may answer before it has read the body, and close: 413 of a proxy, 401, 416. libcurl reads
 * that answer when it looks at the socket before it sends, and loses it behind a broken pipe when
 * the answer and the reset come later. So a block is prepared first, and where the socket has
 * something to read then, the sending pauses until it was read. What comes while libcurl sends is
 * still in the socket when it gives up: of plain HTTP it is read there before the socket is closed;
 * of TLS it is lost, and the failure is a lost connection. The next body then waits a moment behind
 * its headers: who answers these alone is heard. */
#include "http.h"

#include "clock.h"
#include "outcome.h"
#include "pace.h"
#include "program.h"
#include "stall.h"
#include "tls.h"
#include "wire.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECT_TIMEOUT_S = 30,
	REDIRECTS_MAX = 5,
	REPLY_MS = 15 * 60 * 1000, /* of COG_PUSH_REPLY_MS: a commit copies gigabytes */
	STALL_MS = 30 * 1000,	  /* default of COG_PUSH_STALL_MS */
	GRACE_MS = 3000,	  /* for a chunk that is nearly through when a signal comes */
	WARY_MS = 1000,		  /* between headers and body, after an answer may have been lost */
	UPLOAD_BLOCK = 16 * 1024, /* small: between two of them we look for an early answer */
};

struct http {
	CURL *easy;
	struct tls tls;
	struct wire wire;
	const char *host; /* of the registry */
	char why[CURL_ERROR_SIZE];
	int64_t stall_ms, reply_ms;
	struct pace pace;
	struct transfer *transfer;   /* NULL between requests */
	char suspect[LOCATION_SIZE]; /* of this host the last answer may have come before the body
				      * was read: servers that do so close the connection, not all
				      * say it; "" for none */
	bool is_wary; /* a body over TLS was cut, so its answer may be lost; none was taken since */
	bool has_tls; /* there was an answer over TLS */
};

/* One hop of a request. */
struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	int64_t offset;		/* of the body */
	int64_t received_bytes; /* of the answer's body */
	int64_t start_ms;
	struct stall stall;
	int64_t grace_end_ms; /* 0: no signal has come */
	const char *expired;  /* why it was ended; NULL: it was not */
	int64_t wary_end_ms;  /* no body before; 0: at once */
	bool is_paused;
	bool is_refused; /* the reader, the teller or the sink has set an error */
	struct error *error;
};

struct http *http_new(const struct trust *trust, const char *host, struct error *e)
{
	struct http *h = calloc(1, sizeof *h);
	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(h);
		error_set(e, STATUS_FAILED, "libcurl does not start");
		return NULL;
	}
	h->easy = curl_easy_init();
	if (!h->easy) {
		http_free(h);
		error_set(e, STATUS_FAILED, "libcurl does not start");
		return NULL;
	}
	h->stall_ms = STALL_MS;
	h->reply_ms = REPLY_MS;
	if (program_env_number("COG_PUSH_STALL_MS", 1, &h->stall_ms, e) ||
	    program_env_number("COG_PUSH_REPLY_MS", 1, &h->reply_ms, e) || pace_init(&h->pace, e)) {
		http_free(h);
		return NULL;
	}
	h->tls.trust = trust;
	h->host = host;
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	curl_global_cleanup();
	free(h);
}

static size_t on_read(char *data, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	const struct http_body *body = t->request->body;
	int64_t left = body ? body->size - t->offset : 0;
	size_t len = size * count;
	if ((int64_t)len > left)
		len = (size_t)left;
	if (len == 0)
		return 0;
	if (clock_now_ms() < t->wary_end_ms) {
		t->is_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	len = pace_take(&t->http->pace, len, &t->stall.has_waited);
	int64_t n = body->read(body->context, t->offset, data, len, t->error);
	if (n <= 0) {
		t->is_refused = true;
		return CURL_READFUNC_ABORT;
	}
	if (wire_has_answer(&t->http->wire)) {
		t->is_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	t->offset += n;
	return (size_t)n;
}

/* libcurl sends a request again when a kept connection turns out to be closed. That is right as
 * long as the peer can't have acted on it: a chunk that was stored must not be sent twice unasked.
 */
static int on_seek(void *context, curl_off_t offset, int origin)
{
	struct transfer *t = context;
	const struct http_body *body = t->request->body;
	if (origin != SEEK_SET || t->offset > UPLOAD_BLOCK || (body && t->offset == body->size))
		return CURL_SEEKFUNC_CANTSEEK;
	t->offset = offset;
	return CURL_SEEKFUNC_OK;
}

/* After a signal: whether what is being sent is to be finished. That is so when the rest of a body
 * takes less than the grace, as fast as it went so far; a second signal ends it. */
static bool may_finish(struct transfer *t, int64_t now)
{
	const struct http_body *body = t->request->body;
	int64_t elapsed = now - t->start_ms;
	if (!body || t->offset == 0 || program_is_urged())
		return false;
	if (!t->grace_end_ms) {
		int64_t left = body->size - t->offset;
		bool is_near = elapsed > 0 && left <= t->offset / elapsed * GRACE_MS;
		t->grace_end_ms = is_near ? now + GRACE_MS : now;
	}
	return now < t->grace_end_ms;
}

/* The clock for a stall runs until the peer has the body; then that for the reply does. */
static bool is_expired(struct transfer *t, int64_t now, int64_t moved)
{
	const struct http_body *body = t->request->body;
	bool is_sending = body && (t->offset < body->size || moved < body->size);
	int64_t ms = stall_note(&t->stall, now, t->offset, moved, is_sending, t->http->stall_ms);
	if (is_sending && ms > t->http->stall_ms)
		t->expired = "the transfer stalled";
	else if (!is_sending && ms > t->http->reply_ms)
		t->expired = "no answer came in time";
	return t->expired != NULL;
}

static int on_progress(void *context, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
		       curl_off_t up)
{
	struct transfer *t = context;
	const struct http_body *body = t->request->body;
	int64_t now = clock_now_ms(), moved = wire_arrived(&t->http->wire, t->offset);
	(void)total_down, (void)down, (void)total_up, (void)up;
	if (program_is_interrupted() && !may_finish(t, now))
		return 1;
	if (is_expired(t, now, moved))
		return 1;
	if (body && body->tell) /* the head of the request is among what moved */
		t->is_refused = body->tell(body->context, moved < t->offset ? moved : t->offset, t->error) != 0;
	if (t->is_refused)
		return 1;
	if (t->is_paused && now >= t->wary_end_ms) {
		t->is_paused = false;
		curl_easy_pause(t->http->easy, CURLPAUSE_CONT);
	}
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	struct buffer *body = &t->response->body;
	size_t len = size * count;
	size_t room = body->max - body->len;
	struct error ignored;
	if (t->request->sink && t->response->status < 300) {
		t->is_refused = buffer_append(t->request->sink, data, len, t->error) != 0;
		return t->is_refused ? 0 : len;
	}
	t->received_bytes += (int64_t)len;
	if (buffer_append(body, data, len < room ? len : room, &ignored) ||
	    t->received_bytes > HTTP_BODY_READ_MAX)
		return 0;
	return len;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	size_t len = size * count;
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		long status = 0;
		http_response_clear(t->response);
		curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &status);
		t->response->status = (int)status;
	} else {
		http_response_header(t->response, line, len);
	}
	return len;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *h = context;
	(void)purpose;
	return tls_allows(&h->tls, &address->addr) ? wire_open(&h->wire, address) : CURL_SOCKET_BAD;
}

static int on_close(void *context, curl_socket_t fd)
{
	struct http *h = context;
	const struct transfer *t = h->transfer;
	wire_forget(&h->wire, fd);
	if (t && !t->response->status)
		t->response->is_repeated = true;
	bool is_plain = t && strncasecmp(t->response->url, "http:", 5) == 0;
	if (is_plain && t->offset > 0 && !t->response->status && !t->is_refused)
		http_response_rescue(t->response, fd);
	return close(fd);
}

/* Sets E to "METHOD URL: why". */
static int fail(const struct http_request *q, const char *url, enum status status, const char *why,
		struct error *e)
{
	char plain[LOCATION_SIZE];
	location_plain(url, plain);
	return error_set(e, status, "%s %.300s: %s", q->method, plain, why);
}

/* Whether the answer's status counts although the transfer ended badly: its body was cut, or was
 * longer than we read, or the peer closed after an early refusal. An early 2xx is no answer. */
static bool is_answered(const struct transfer *t, CURLcode code)
{
	const struct http_body *body = t->request->body;
	int status = t->response->status;
	if (code == CURLE_OK)
		return true;
	if (t->request->sink && status < 300)
		return false;
	if (code != CURLE_WRITE_ERROR && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR &&
	    code != CURLE_SEND_FAIL_REWIND && code != CURLE_PARTIAL_FILE)
		return false;
	return status >= 300 || (status >= 200 && (!body || t->offset == body->size));
}

/* What the next request has to know of this one. */
static void learn(struct http *h, const struct transfer *t, CURLcode code)
{
	bool is_cut = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
		      code == CURLE_SEND_FAIL_REWIND || code == CURLE_GOT_NOTHING;
	if (strncasecmp(t->response->url, "https:", 6) != 0)
		return;
	if (code == CURLE_OK)
		h->has_tls = true;
	/* Smaller bodies may follow a 413: wary until one is taken. */
	if (t->request->body && !t->is_refused && (is_cut || code == CURLE_OK) &&
	    t->response->status < 300)
		h->is_wary = !t->response->status;
}

static int finish(const struct http *h, const struct transfer *t, CURLcode code)
{
	struct http_response *r = t->response;
	long os_error = 0;
	char why[200];
	if (is_answered(t, code))
		return 0;
	r->status = 0;
	if (t->is_refused || program_is_interrupted())
		return t->is_refused ? -1 : program_interrupted(t->error);
	if (t->expired)
		return fail(t->request, r->url, STATUS_TEMPORARY, t->expired, t->error);
	curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os_error);
	r->is_not_tls = tls_is_missing(&h->tls, h->easy, code);
	if (tls_explain(&h->tls, h->easy, code, why, sizeof why))
		return fail(t->request, r->url, STATUS_FAILED, why, t->error);
	const struct outcome o = {
		.code = code, .os_error = os_error, .why = h->why, .url = r->url, .has_tls = h->has_tls};
	return fail(t->request, r->url, outcome_status(&o), outcome_reason(&o), t->error);
}

static bool has_body(const char *method)
{
	return *method == 'P'; /* POST, PUT, PATCH */
}

static void set_method(CURL *easy, const struct http_request *q)
{
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)q->timeout_s);
	if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (has_body(q->method)) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)(q->body ? q->body->size : 0));
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_callbacks(CURL *easy, struct transfer *t)
{
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, t);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
}

static void set_transport(struct http *h, const char *url)
{
	CURL *easy = h->easy;
	char registry[HTTP_HEADER_SIZE + 16];
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->why);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "cog-push/" VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
			 location_same_host(h->suspect, url) ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, h);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BLOCK);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* An interrupt does not wait for a name server. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	if (location_is_loopback(url))
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	snprintf(registry, sizeof registry, "https://%s/", h->host);
	tls_set(&h->tls, easy, url, location_same_host(url, registry));
	wire_watch(&h->wire, easy);
}

/* Appends "NAME: VALUE", or "NAME:", which takes away the header that libcurl would send. */
static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	size_t size = strlen(name) + (value ? strlen(value) : 0) + 3;
	char *line = malloc(size);
	if (!line)
		return -1;
	snprintf(line, size, "%s:%s%s", name, value ? " " : "", value ? value : "");
	struct curl_slist *longer = curl_slist_append(*list, line);
	OPENSSL_cleanse(line, size); /* may be a secret */
	free(line);
	if (!longer)
		return -1;
	*list = longer;
	return 0;
}

/* For a hop to URL. */
static int make_headers(const struct http_request *q, const char *url, struct curl_slist **list)
{
	if (q->authorization && location_same_host(q->url, url) &&
	    add_header(list, "Authorization", q->authorization))
		return -1;
	if (add_header(list, "Expect", NULL) ||
	    (q->content_type && add_header(list, "Content-Type", q->content_type)) ||
	    (q->content_range && add_header(list, "Content-Range", q->content_range)) ||
	    (q->accept && add_header(list, "Accept", q->accept)))
		return -1;
	return 0;
}

static void trace(const struct http_request *q, const struct http_response *r)
{
	char shown[LOCATION_SIZE];
	if (!program_is_verbose())
		return;
	location_redact(r->status && *r->location ? r->location : r->url, shown);
	if (!r->status)
		program_trace("> %s %s", q->method, shown);
	else
		program_trace("< %d%s%s", r->status, *r->location ? " Location: " : "",
			      *r->location ? shown : "");
}

/* One request to R->url. */
static int hop(struct http *h, const struct http_request *q, struct http_response *r,
	       struct error *e)
{
	struct transfer t = {.http = h, .request = q, .response = r, .error = e};
	struct curl_slist *headers = NULL;
	int rc = -1;
	t.start_ms = t.stall.mark_ms = clock_now_ms();
	if (h->is_wary && q->body)
		t.wary_end_ms =
			t.start_ms + (WARY_MS < h->stall_ms / 2 ? WARY_MS : h->stall_ms / 2);
	http_response_clear(r);
	r->sent_bytes = 0;
	r->is_repeated = r->is_not_tls = false;
	buffer_clear(&r->body);
	if (q->sink)
		buffer_clear(q->sink);
	curl_easy_reset(h->easy);
	h->why[0] = '\0';
	if (make_headers(q, r->url, &headers)) {
		error_errno(e, "memory");
		goto out;
	}
	set_transport(h, r->url);
	set_method(h->easy, q);
	set_callbacks(h->easy, &t);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	trace(q, r);
	h->transfer = &t;
	CURLcode code = curl_easy_perform(h->easy);
	h->transfer = NULL;
	learn(h, &t, code);
	rc = finish(h, &t, code);
	if (q->body && r->status >= 300)
		memcpy(h->suspect, r->url, sizeof h->suspect);
	else if (location_same_host(h->suspect, r->url))
		h->suspect[0] = '\0';
	r->sent_bytes = t.offset;
	if (rc == 0)
		trace(q, r);
out:
	curl_slist_free_all(headers);
	return rc;
}

static bool is_redirect(const struct http_response *r)
{
	return (r->status == 301 || r->status == 302 || r->status == 307 || r->status == 308) &&
	       *r->location;
}

int http_send(struct http *h, const struct http_request *q, struct http_response *r,
	      struct error *e)
{
	snprintf(r->url, sizeof r->url, "%s", q->url);
	for (int hops = 0;; hops++) {
		char next[LOCATION_SIZE];
		bool is_upgraded;
		if (program_is_interrupted())
			return program_interrupted(e);
		if (hop(h, q, r, e))
			return -1;
		if (!is_redirect(r) || q->keeps_redirect)
			return 0;
		if (hops == REDIRECTS_MAX)
			return fail(q, q->url, STATUS_FAILED, "too many redirects", e);
		struct error why = {0};
		if (location_resolve(r->url, r->location, next, &is_upgraded, &why))
			return fail(q, r->url, why.status, why.text, e);
		memcpy(r->url, next, sizeof next);
	}
}
