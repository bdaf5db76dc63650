/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "answer.h"
#include "file.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define SESSION_FILE "session"
#define BLOB_TYPE "application/octet-stream"

enum {
	SHARED_FILE_MAX = 16 * 1024,
	CANCEL_TIMEOUT_S = 10, /* a registry purges the session too: nothing waits long for it */
};

/* NULL when there is none, or one that others may look into: it holds tokens. */
static const char *find_shared_dir(void)
{
	struct stat st;
	const char *dir = program_env(REGISTRY_SHARED_ENV);
	if (!dir || stat(dir, &st) || !S_ISDIR(st.st_mode))
		return NULL;
	if (st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		return dir;
	program_warn("%s=%s: not used: it must be yours alone (mode 700)", REGISTRY_SHARED_ENV,
		     dir);
	return NULL;
}

int registry_open(struct registry *r, const struct reference *repository,
		  const struct trust_options *trust, const struct credential *credential,
		  struct error *e)
{
	*r = (struct registry){.repository = *repository};
	http_response_init(&r->response);
	if (trust_init(&r->trust, trust, repository->registry, e))
		return -1;
	r->is_https = !r->trust.is_plain_http;
	r->http = http_new(&r->trust, reference_host(&r->repository), e);
	if (!r->http)
		return -1;
	r->shared_dir = find_shared_dir();
	r->auth = auth_new(r->http, &r->repository, r->shared_dir, credential,
			   credential ? "" : NULL);
	r->is_scheme_known = r->trust.is_plain_http;
	return 0;
}

void registry_release(struct registry *r)
{
	if (!r->http)
		return;
	auth_free(r->auth);
	http_free(r->http);
	http_response_release(&r->response);
	*r = (struct registry){0};
}

static int open_shared_dir(const struct registry *r)
{
	return r->shared_dir ? open(r->shared_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void scheme_file(const struct registry *r, char *name, size_t size)
{
	snprintf(name, size, "scheme.%s", reference_host(&r->repository));
}

static void recall_scheme(struct registry *r)
{
	char name[REFERENCE_NAME_MAX + 16];
	struct buffer text;
	struct error ignored = {0};
	int fd = open_shared_dir(r);
	if (fd < 0)
		return;
	buffer_init(&text, SHARED_FILE_MAX);
	scheme_file(r, name, sizeof name);
	if (file_read(fd, name, &text, &ignored) == 0 && text.len) {
		r->is_https = strcmp(text.data, "http") != 0;
		r->is_scheme_known = true;
	}
	buffer_release(&text);
	close(fd);
}

static void settle_scheme(struct registry *r)
{
	char name[REFERENCE_NAME_MAX + 16];
	struct error ignored = {0};
	r->is_scheme_known = true;
	int fd = open_shared_dir(r);
	if (fd < 0)
		return;
	scheme_file(r, name, sizeof name);
	const char *scheme = r->is_https ? "https" : "http";
	(void)file_replace(fd, name, scheme, strlen(scheme), &ignored);
	close(fd);
}

static void base_url(const struct registry *r, char *url, size_t size)
{
	snprintf(url, size, "%s://%s", r->is_https ? "https" : "http",
		 reference_host(&r->repository));
}

/* Whether URL is the registry's own, spoken to as safely as the registry itself. */
static bool is_own(const struct registry *r, const char *url)
{
	char base[REFERENCE_NAME_MAX + 16];
	base_url(r, base, sizeof base);
	return location_same_host(base, url) &&
	       (!r->is_https || strncasecmp(url, "https:", 6) == 0);
}

/* Sends Q with the Authorization header that its host may see, and again with a better one after a
 * 401. The answer 401 is the caller's when there is nothing better. */
static int send_authorized(struct registry *r, struct http_request *q, struct error *e)
{
	for (;;) {
		bool is_ours = is_own(r, q->url);
		q->authorization = NULL;
		if (is_ours && auth_header(r->auth, &q->authorization, e))
			return -1;
		if (http_send(r->http, q, &r->response, e))
			return -1;
		if (r->response.status != 401 || !is_ours || !is_own(r, r->response.url))
			return 0;
		int again = auth_answer(r->auth, r->response.challenges, r->response.url, e);
		if (again <= 0)
			return again;
	}
}

int registry_refused(struct registry *r, const char *method, struct error *e)
{
	answer_refused(method, &r->response, e);
	return auth_explain(r->auth, e);
}

/* Sends Q to PATH of the registry. Only a loopback host that speaks no TLS is asked without. */
static int ask(struct registry *r, struct http_request *q, const char *path, struct error *e)
{
	char url[LOCATION_SIZE];
	if (!r->is_scheme_known)
		recall_scheme(r);
	for (;;) {
		base_url(r, url, sizeof url);
		strncat(url, path, sizeof url - strlen(url) - 1);
		q->url = url;
		int rc = send_authorized(r, q, e);
		if (rc && r->response.is_not_tls && !r->is_scheme_known && r->is_https) {
			r->is_https = false;
			*e = (struct error){0};
			continue;
		}
		if (rc == 0 && !r->is_scheme_known)
			settle_scheme(r);
		return rc;
	}
}

int registry_ask(struct registry *r, struct http_request *q, const char *tail, struct error *e)
{
	char path[2 * REFERENCE_NAME_MAX + 64];
	snprintf(path, sizeof path, "/v2/%s/%s", r->repository.repository, tail);
	return ask(r, q, path, e);
}

int registry_ping(struct registry *r, struct error *e)
{
	struct http_request q = {.method = "GET"};
	if (ask(r, &q, "/v2/", e))
		return -1;
	const struct http_response *a = &r->response;
	bool is_foreign = answer_is_html(a) && !*a->api_version;
	/* 401 says that something guards the path; a proxy may do so with a page of its own. */
	if (a->status == 401 || (answer_is_success(a) && !is_foreign))
		return 0;
	if (a->status == 404 || (a->status < 400 && is_foreign))
		return answer_failed("GET", a, ANSWER_NO_REGISTRY, e);
	return registry_refused(r, "GET", e);
}

int registry_login(struct registry *r, struct error *e)
{
	struct http_request q = {.method = "GET"};
	if (ask(r, &q, "/v2/", e))
		return -1;
	if (!answer_is_success(&r->response))
		return registry_refused(r, "GET", e);
	if (answer_is_html(&r->response) && !*r->response.api_version)
		return answer_failed("GET", &r->response, ANSWER_NO_REGISTRY, e);
	return 0;
}

/* Whether the answer redirects, but to a registry's URL of the same blob: the whole registry has
 * moved. */
static bool is_moved(const struct registry *r, const char *tail)
{
	char path[2 * REFERENCE_NAME_MAX + 64], plain[LOCATION_SIZE];
	const struct http_response *a = &r->response;
	if (a->status == 301 || a->status == 308)
		return true;
	if (a->status != 302 && a->status != 307)
		return false;
	snprintf(path, sizeof path, "/v2/%s/%s", r->repository.repository, tail);
	location_plain(a->location, plain);
	const char *found = strstr(plain, path);
	return found && strcmp(found, path) == 0;
}

int registry_has_blob(struct registry *r, const struct digest *d, struct error *e)
{
	struct http_request q = {.method = "HEAD", .keeps_redirect = true};
	char tail[16 + DIGEST_TEXT_LEN];
	snprintf(tail, sizeof tail, "blobs/%s", d->text);
	if (registry_ask(r, &q, tail, e))
		return -1;
	if (is_moved(r, tail)) {
		q.keeps_redirect = false;
		if (registry_ask(r, &q, tail, e))
			return -1;
	}
	int status = r->response.status;
	if (answer_is_success(&r->response))
		return !answer_is_html(&r->response);
	return status == 302 || status == 307;
}

/* Follows the session to where the answer says it is now. */
static int move_session(struct registry *r, struct session *s, const char *method, struct error *e)
{
	struct error why = {0};
	char next[LOCATION_SIZE];
	bool is_upgraded;
	const struct http_response *a = &r->response;
	if (!*a->location)
		return 0;
	if (location_resolve(a->url, a->location, next, &is_upgraded, &why))
		return answer_failed(method, a, why.text, e);
	if (is_upgraded && !r->has_warned)
		program_warn("%s answers with http:// Locations (a proxy without "
			     "X-Forwarded-Proto?); https is used",
			     r->repository.registry);
	r->has_warned = r->has_warned || is_upgraded;
	memcpy(s->location, next, sizeof next);
	return 0;
}

int registry_start(struct registry *r, struct session *s, const struct mount *m, struct error *e)
{
	struct http_request q = {.method = "POST"};
	const struct http_response *a = &r->response;
	char tail[REFERENCE_NAME_MAX + DIGEST_TEXT_LEN + 48] = "blobs/uploads/";
	*s = (struct session){0};
	if (m)
		snprintf(tail, sizeof tail, "blobs/uploads/?mount=%s&from=%s", m->digest->text,
			 m->from);
	if (registry_ask(r, &q, tail, e))
		return -1;
	if (!answer_is_success(a))
		return registry_refused(r, "POST", e);
	if (answer_is_html(a))
		return answer_failed("POST", a, ANSWER_NO_REGISTRY, e);
	if (m && a->status == 201)
		return 0;
	if (!*a->location)
		return answer_failed("POST", a, "no Location of an upload session", e);
	s->chunk_min = a->chunk_min;
	s->chunk_max = a->chunk_max;
	return move_session(r, s, "POST", e);
}

int registry_status(struct registry *r, struct session *s, struct error *e)
{
	struct http_request q = {.method = "GET", .url = s->location};
	if (send_authorized(r, &q, e))
		return -1;
	if (!answer_is_success(&r->response) || answer_is_html(&r->response))
		return registry_refused(r, "GET", e);
	return move_session(r, s, "GET", e);
}

void registry_cancel(struct registry *r, const struct session *s)
{
	struct error ignored = {0};
	struct http_request q = {
		.method = "DELETE", .url = s->location, .timeout_s = CANCEL_TIMEOUT_S};
	(void)send_authorized(r, &q, &ignored);
}

int registry_share(const struct registry *r, const struct session *s, struct error *e)
{
	char text[REFERENCE_NAME_MAX + LOCATION_SIZE + 64];
	int fd = open_shared_dir(r);
	if (fd < 0)
		return 0;
	int n = snprintf(text, sizeof text, "%s/%s\n%s\n%" PRId64 " %" PRId64 "\n",
			 r->repository.registry, r->repository.repository, s->location,
			 s->chunk_min, s->chunk_max);
	int rc = file_replace(fd, SESSION_FILE, text, (size_t)n, e);
	close(fd);
	return rc ? -1 : 1;
}

/* Reads what registry_share() wrote. */
static bool parse_session(const struct registry *r, char *text, struct session *s)
{
	char name[2 * REFERENCE_NAME_MAX + 3];
	char *rest = NULL;
	const char *owner = strtok_r(text, "\n", &rest);
	const char *location = strtok_r(NULL, "\n", &rest);
	const char *limits = strtok_r(NULL, "\n", &rest);
	snprintf(name, sizeof name, "%s/%s", r->repository.registry, r->repository.repository);
	if (!owner || !location || !limits || strcmp(owner, name) != 0 ||
	    strlen(location) >= sizeof s->location)
		return false;
	snprintf(s->location, sizeof s->location, "%s", location);
	return sscanf(limits, "%" SCNd64 " %" SCNd64, &s->chunk_min, &s->chunk_max) == 2;
}

static bool read_session(const struct registry *r, int fd, const char *name, struct session *s)
{
	struct buffer text;
	struct error ignored = {0};
	buffer_init(&text, SHARED_FILE_MAX);
	bool is_ours = file_read(fd, name, &text, &ignored) == 0 && text.len &&
		       parse_session(r, text.data, s);
	buffer_release(&text);
	return is_ours;
}

bool registry_take(const struct registry *r, struct session *s)
{
	char taken[64];
	int fd = open_shared_dir(r);
	if (fd < 0)
		return false;
	snprintf(taken, sizeof taken, SESSION_FILE ".%ld", (long)getpid());
	/* Of several that read it the one that renames it has it. */
	bool is_ours =
		read_session(r, fd, SESSION_FILE, s) && renameat(fd, SESSION_FILE, fd, taken) == 0;
	if (is_ours)
		unlinkat(fd, taken, 0);
	close(fd);
	return is_ours;
}

int registry_append(struct registry *r, struct session *s, int64_t offset,
		    const struct http_body *body, struct error *e)
{
	char range[48];
	/* Neither "bytes " nor a total: some registries refuse them. */
	snprintf(range, sizeof range, "%" PRId64 "-%" PRId64, offset, offset + body->size - 1);
	struct http_request q = {.method = "PATCH",
				 .url = s->location,
				 .content_type = BLOB_TYPE,
				 .content_range = range,
				 .body = body};
	if (send_authorized(r, &q, e))
		return -1;
	if (answer_is_success(&r->response))
		return move_session(r, s, "PATCH", e);
	struct error ignored = {0};
	if (r->response.status == 416)
		(void)move_session(r, s, "PATCH", &ignored);
	return registry_refused(r, "PATCH", e);
}

int registry_commit(struct registry *r, struct session *s, const struct digest *d,
		    const struct http_body *body, struct error *e)
{
	char url[LOCATION_SIZE];
	struct http_request q = {
		.method = "PUT", .url = url, .content_type = BLOB_TYPE, .body = body};
	if (location_append_digest(s->location, d, url, e) || send_authorized(r, &q, e))
		return -1;
	if (answer_is_success(&r->response) && !answer_is_html(&r->response))
		return 0;
	return registry_refused(r, "PUT", e);
}
