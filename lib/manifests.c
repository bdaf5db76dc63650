/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests.h"

#include "answer.h"
#include "http.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

enum { TAIL_SIZE = 160 };

static int ask(struct registry *r, struct http_request *q, const char *name, struct error *e)
{
	char tail[TAIL_SIZE];
	snprintf(tail, sizeof tail, "manifests/%s", name);
	return registry_ask(r, q, tail, e);
}

int manifests_get(struct registry *r, const char *name, const char *media_type, struct buffer *out,
		  struct error *e)
{
	struct http_request q = {.method = "GET", .accept = media_type, .sink = out};
	if (ask(r, &q, name, e))
		return -1;
	if (r->response.status == 404)
		return 0;
	if (!answer_is_success(&r->response) || answer_is_html(&r->response))
		return registry_refused(r, "GET", e);
	return 1;
}

int manifests_digest(struct registry *r, const char *name, const char *media_type,
		     struct digest *found, struct error *e)
{
	struct http_request q = {.method = "HEAD", .accept = media_type};
	const struct http_response *a = &r->response;
	struct buffer text;
	if (ask(r, &q, name, e))
		return -1;
	if (!answer_is_success(a) || answer_is_html(a))
		return 0;
	if (*a->content_digest)
		return digest_parse(found, a->content_digest) == 0;
	buffer_init(&text, JSON_MANIFEST_MAX);
	int rc = manifests_get(r, name, media_type, &text, e);
	if (rc > 0)
		digest_of(found, text.len ? text.data : "", text.len);
	buffer_release(&text);
	return rc;
}

/* After a PUT whose answer did not name a digest: a web server that says 200 to everything is no
 * registry. The tag is not looked at: another client may have moved it. */
static int check_stored(struct registry *r, const struct manifest_bytes *m, struct error *e)
{
	const struct http_response *a = &r->response;
	struct digest found;
	int rc = manifests_digest(r, m->digest.text, m->media_type, &found, e);
	if (rc < 0)
		return -1;
	if (rc && digest_equal(&found, &m->digest))
		return 0;
	if (rc || answer_is_success(a))
		return answer_failed("HEAD", a, "another manifest than the one that was put", e);
	if (a->status != 404)
		return registry_refused(r, "HEAD", e);
	answer_failed("HEAD", a, "the manifest is not there after its PUT", e);
	e->status = STATUS_TEMPORARY;
	return -1;
}

static int64_t read_manifest(void *context, int64_t offset, void *data, size_t len, struct error *e)
{
	const struct manifest_bytes *m = context;
	(void)e;
	memcpy(data, m->data + offset, len);
	return (int64_t)len;
}

int manifests_put(struct registry *r, const char *name, const struct manifest_bytes *m,
		  struct digest *subject, struct error *e)
{
	struct manifest_bytes copy = *m;
	struct http_body body = {.size = (int64_t)m->len, .read = read_manifest, .context = &copy};
	struct http_request q = {.method = "PUT", .content_type = m->media_type, .body = &body};
	const struct http_response *a = &r->response;
	char why[200];
	*subject = (struct digest){0};
	if (ask(r, &q, name, e))
		return -1;
	if (!answer_is_success(a))
		return registry_refused(r, "PUT", e);
	(void)digest_parse(subject, a->subject);
	if (!*a->content_digest)
		return answer_is_html(a) ? answer_failed("PUT", a, ANSWER_NO_REGISTRY, e)
					 : check_stored(r, m, e);
	if (strcmp(a->content_digest, m->digest.text) == 0)
		return 0;
	snprintf(why, sizeof why, "stored as %.80s instead of %s", a->content_digest,
		 m->digest.text);
	return answer_failed("PUT", a, why, e);
}
