/* SPDX-License-Identifier: Apache-2.0 */
/* The upload of one blob is a machine of these states; each is one function that does one request
 * and names the next state.
 *
 *	ASK      HEAD. There: DONE. Else OPEN.
 *	OPEN     Takes the session that oci-push-check left, or POSTs a new one, and plans by what
 *	         the registry announced: COMMIT where the blob goes as one body, else SEND.
 *	SEND     PATCH of the next chunk. SEND until all is sent, then COMMIT. Where a session that was
 *	         taken turns out to be lost at its first use: OPEN, with a new one.
 *	COMMIT   PUT, with the whole blob as its body or empty. DONE; CONFIRM where it failed in a
 *	         way that leaves open whether the registry has the blob: the connection was lost, 5xx,
 *	         404 or 416 for a session that is used up.
 *	CONFIRM  HEAD. There: DONE. Else the failure of the PUT is the result.
 *
 * Where the upload stands is `offset`, our own count of what the registry has accepted. The Range of
 * an answer is not looked at: registries disagree on its form and some on its value.
 *
 * A body streams from the file through libcurl's buffer, so memory does not grow with the chunk. All
 * bytes are hashed on their way, each once, in order: `hashed` is how far that is. The last block of
 * the blob is held back until the digest is known to be right, so a blob that is not its digest is
 * left incomplete at the registry, whatever the registry would verify. */
#include "upload.h"

#include "clock.h"
#include "event.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ANNOUNCED_LEAST = 64 * 1024,
	MARGIN = 64 * 1024, /* below OCI-Chunk-Max-Length, for proxies that count otherwise */
	PROGRESS_INTERVAL_MS = 250,
};

enum state { ASK, OPEN, SEND, COMMIT, CONFIRM, DONE };

struct upload {
	struct registry *registry;
	struct upload_limits limits;
	const struct upload_blob *blob;
	struct upload_plan plan;
	struct session session;
	bool is_taken;	    /* the session is another program's and not yet proven */
	bool may_take;
	int64_t offset;	    /* bytes that the registry has accepted */
	int64_t body_start; /* offset of the body that is being sent */
	int64_t sent_bytes;
	struct hasher *hasher;
	int64_t hashed; /* bytes of the blob */
	bool is_verified;
	int64_t start_ms, reported_ms;
	struct error failure; /* of the PUT, while CONFIRM asks */
	const char *how;
};

/* CHUNK, changed by as little as keeps the last chunk from being of one byte: down to LEAST, else up
 * to MOST. Both loops are short: few neighbours in a row divide SIZE - 1. */
static int64_t without_tail(int64_t size, int64_t chunk, int64_t least, int64_t most)
{
	for (int64_t n = chunk; n > 1 && n >= least; n--)
		if (size % n != 1)
			return n;
	for (int64_t n = chunk; n <= most; n++)
		if (size % n != 1)
			return n;
	return chunk;
}

struct upload_plan upload_plan(int64_t size, const struct upload_limits *limits)
{
	int64_t min = limits->announced_min >= ANNOUNCED_LEAST ? limits->announced_min : 0;
	int64_t max = limits->announced_max >= ANNOUNCED_LEAST ? limits->announced_max : 0;
	if (max && min > max)
		min = max = 0;
	int64_t chunk = limits->chunk;
	int64_t most = max >= 2 * MARGIN ? max - MARGIN : max;
	if (most && chunk > most)
		chunk = most;
	if (chunk < min)
		chunk = min;
	if (chunk < 2)
		chunk = 2;
	struct upload_plan plan = {.is_one_body = size <= limits->threshold && size <= chunk};
	if (chunk >= size)
		plan.chunk = size;
	else
		plan.chunk = without_tail(size, chunk, min, max ? max : INT64_MAX);
	return plan;
}

static int wrong(const struct upload *u, const char *why, struct error *e)
{
	return error_set(e, STATUS_DATA, "blob %s: %s", u->blob->digest->text, why);
}

static int report_progress(struct upload *u, int64_t sent_offset, struct error *e)
{
	int64_t now = clock_now_ms();
	if (now - u->reported_ms < PROGRESS_INTERVAL_MS)
		return 0;
	u->reported_ms = now;
	int64_t elapsed = now - u->start_ms;
	struct event_progress p = {
		.digest = u->blob->digest,
		.size = u->blob->size,
		.offset = u->offset,
		.sent_offset = sent_offset,
		.bytes_per_second = elapsed > 0 ? sent_offset * 1000 / elapsed : 0,
	};
	return event_progress(&p, e);
}

/* Hashes what of the LEN bytes at OFFSET was not hashed before; at the end of the blob compares. */
static int hash(struct upload *u, int64_t offset, const char *data, int64_t len, struct error *e)
{
	int64_t end = offset + len;
	if (end > u->hashed) {
		hasher_update(u->hasher, data + (u->hashed - offset), (size_t)(end - u->hashed));
		u->hashed = end;
	}
	if (end < u->blob->size || u->is_verified)
		return 0;
	struct digest d;
	hasher_final(u->hasher, &d);
	u->is_verified = digest_equal(&d, u->blob->digest);
	return u->is_verified ? 0 : wrong(u, "its bytes are not its digest", e);
}

static int64_t read_body(void *context, int64_t offset, void *data, size_t len, struct error *e)
{
	struct upload *u = context;
	ssize_t n;
	offset += u->body_start;
	do
		n = pread(u->blob->fd, data, len, (off_t)offset);
	while (n < 0 && errno == EINTR && !program_is_interrupted());
	if (n < 0 && program_is_interrupted())
		return program_interrupted(e);
	if (n < 0)
		return error_errno(e, "blob %s", u->blob->digest->text);
	if (n == 0)
		return wrong(u, "became shorter while it was sent", e);
	if (hash(u, offset, data, n, e) || report_progress(u, offset + n, e))
		return -1;
	return n;
}

static struct http_body body_of(struct upload *u, int64_t size)
{
	u->body_start = u->offset;
	return (struct http_body){.size = size, .read = read_body, .context = u};
}

static int ask(struct upload *u, enum state *next, struct error *e)
{
	int there = registry_has_blob(u->registry, u->blob->digest, e);
	if (there < 0)
		return -1;
	u->how = there ? "exists" : "uploaded";
	*next = there ? DONE : OPEN;
	return 0;
}

static int open_session(struct upload *u, enum state *next, struct error *e)
{
	u->is_taken = u->may_take && registry_take(u->registry, &u->session);
	u->may_take = false;
	if (!u->is_taken && registry_start(u->registry, &u->session, e))
		return -1;
	u->limits.announced_min = u->session.chunk_min;
	u->limits.announced_max = u->session.chunk_max;
	u->plan = upload_plan(u->blob->size, &u->limits);
	*next = u->plan.is_one_body ? COMMIT : SEND;
	return 0;
}

/* Whether the registry no longer knows the session that another program opened. */
static bool is_lost_session(const struct upload *u)
{
	int status = u->registry->response.status;
	return u->is_taken && (status == 400 || status == 404 || status == 416 || status == 500);
}

static int send_chunk(struct upload *u, enum state *next, struct error *e)
{
	int64_t left = u->blob->size - u->offset;
	struct http_body body = body_of(u, left < u->plan.chunk ? left : u->plan.chunk);
	int rc = registry_append(u->registry, &u->session, u->offset, &body, e);
	u->sent_bytes += u->registry->response.sent_bytes;
	if (rc && is_lost_session(u)) {
		*e = (struct error){0};
		*next = OPEN;
		return 0;
	}
	if (rc)
		return -1;
	u->is_taken = false;
	u->offset += body.size;
	*next = u->offset < u->blob->size ? SEND : COMMIT;
	return 0;
}

static int commit(struct upload *u, enum state *next, struct error *e)
{
	bool is_ambiguous;
	struct http_body body = body_of(u, u->blob->size);
	bool has_body = u->plan.is_one_body;
	int rc = registry_commit(u->registry, &u->session, u->blob->digest,
				 has_body ? &body : NULL, &is_ambiguous, e);
	u->sent_bytes += has_body ? u->registry->response.sent_bytes : 0;
	*next = DONE;
	if (rc == 0)
		return 0;
	if (!is_ambiguous && !is_lost_session(u))
		return -1;
	u->failure = *e;
	*e = (struct error){0};
	*next = CONFIRM;
	return 0;
}

static int confirm(struct upload *u, enum state *next, struct error *e)
{
	bool is_lost = is_lost_session(u);
	int there = registry_has_blob(u->registry, u->blob->digest, e);
	if (there < 0 && e->status == STATUS_INTERRUPTED)
		return -1;
	if (there > 0) {
		*next = DONE;
		return 0;
	}
	*next = OPEN;
	*e = is_lost ? (struct error){0} : u->failure;
	return is_lost ? 0 : -1;
}

static int step(struct upload *u, enum state *state, struct error *e)
{
	switch (*state) {
	case ASK:
		return ask(u, state, e);
	case OPEN:
		return open_session(u, state, e);
	case SEND:
		return send_chunk(u, state, e);
	case COMMIT:
		return commit(u, state, e);
	case CONFIRM:
		return confirm(u, state, e);
	case DONE:
		break;
	}
	return 0;
}

int upload_blob(struct registry *r, const struct upload_limits *limits,
		const struct upload_blob *blob, struct error *e)
{
	struct upload u = {.registry = r, .limits = *limits, .blob = blob, .may_take = true};
	enum state state = ASK;
	int rc = -1;
	if (blob->size == 0)
		return wrong(&u, "empty: registries take no blobs of 0 bytes", e);
	u.hasher = hasher_new();
	u.start_ms = u.reported_ms = clock_now_ms();
	while (state != DONE)
		if (step(&u, &state, e))
			goto out;
	rc = event_done(blob->digest, blob->size, u.how, u.sent_bytes,
			clock_now_ms() - u.start_ms, e);
out:
	hasher_free(u.hasher);
	return rc;
}
