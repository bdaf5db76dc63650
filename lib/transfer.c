/* SPDX-License-Identifier: Apache-2.0 */
/* A body streams from the file through libcurl's buffer, so memory does not grow with the chunk.
 * The bytes are hashed on their way; after a resume a thread hashes the file beside the sending.
 * Before a PUT without a body, and before the last block of one with a body, the digest must have
 * turned out right: a blob that is not its digest is left incomplete at the registry, whatever the
 * registry would verify. */
#include "transfer.h"

#include "answer.h"
#include "attempt.h"
#include "clock.h"
#include "event.h"
#include "journal.h"
#include "program.h"
#include "pushed.h"
#include "upload.h"
#include "verify.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PROGRESS_INTERVAL_MS = 250 };

struct transfer {
	struct registry *registry;
	const struct transfer_options *options;
	const struct transfer_blob *blob;
	struct upload upload;
	struct profile known; /* what is on disk about the host */
	struct session session;
	bool is_taken; /* it is that of oci-push-check, and not used yet */
	struct journal journal;
	struct verify verify;
	char pushed_to[REFERENCE_NAME_MAX + 1]; /* another repository that had it from here */
	const char *mounts[2];			/* where it may be mounted from; NULL: nowhere */
	int64_t body_start, body_size;		/* of the body that is being sent */
	bool is_commit;				/* it is that of the PUT */
	int64_t sent_bytes;
	int64_t start_ms;
	int64_t reported_ms, reported_bytes, rate; /* of the last progress: when, after how many, how fast */
	struct error failure; /* of the last request that failed */
	int failure_status;   /* of its answer; 0: there was none */
};

int transfer_options_init(struct transfer_options *o, struct error *e)
{
	*o = (struct transfer_options){0};
	return plan_limits_from_env(&o->limits, e) ? -1 : retry_policy_from_env(&o->retry, e);
}

/* The rate forgets what was before: by half in 6 reports. */
static void note_rate(struct transfer *t, int64_t sent, int64_t now)
{
	int64_t rate = (sent - t->reported_bytes) * 1000 / (now - t->reported_ms);
	t->rate = t->reported_bytes ? (t->rate * 7 + rate) / 8 : rate;
	t->reported_bytes = sent;
	t->reported_ms = now;
}

static int tell_progress(void *context, int64_t bytes, struct error *e)
{
	struct transfer *t = context;
	int64_t now = clock_now_ms();
	if (now - t->reported_ms < PROGRESS_INTERVAL_MS)
		return 0;
	note_rate(t, t->sent_bytes + bytes, now);
	struct event_progress p = {
		.digest = t->blob->digest,
		.size = t->blob->source->size,
		.offset = t->upload.offset,
		.sent_offset = t->body_start + bytes,
		.bytes_per_second = t->rate > 0 ? t->rate : 0,
	};
	return event_progress(&p, e);
}

static int64_t read_body(void *context, int64_t offset, void *data, size_t len, struct error *e)
{
	struct transfer *t = context;
	bool is_last = offset + (int64_t)len >= t->body_size;
	offset += t->body_start;
	int64_t n = verify_read(&t->verify, offset, data, len, e);
	if (n < 0)
		return -1;
	verify_pass(&t->verify, offset, data, (size_t)n);
	if (t->is_commit && is_last && verify_end(&t->verify, e))
		return -1;
	return n;
}

static void write_journal(struct transfer *t)
{
	const struct upload *u = &t->upload;
	struct journal_entry entry = {
		.offset = u->offset,
		.announced_min = u->limits.announced_min,
		.announced_max = u->limits.announced_max,
		.plan = u->plan,
	};
	memcpy(entry.location, t->session.location, sizeof entry.location);
	journal_write(&t->journal, &entry);
}

/* Goes on with what the journal has. */
static void find_session(struct transfer *t)
{
	struct journal_entry entry;
	struct upload *u = &t->upload;
	if (journal_read(&t->journal, &entry) && entry.offset <= t->blob->source->size &&
	    entry.plan.shape != PLAN_ONE_BODY && entry.plan.chunk > 0) {
		u->limits.announced_min = entry.announced_min;
		u->limits.announced_max = entry.announced_max;
		memcpy(t->session.location, entry.location, sizeof entry.location);
		upload_resume(u, &entry.plan, entry.offset);
	}
}

static int send_body(struct transfer *t, const struct upload_step *step, struct error *e)
{
	struct http_body body = {
		.size = step->size, .read = read_body, .tell = tell_progress, .context = t};
	t->body_start = step->offset;
	t->body_size = step->size;
	t->is_commit = step->action == UPLOAD_COMMIT;
	if (t->is_commit && step->size == 0 && verify_end(&t->verify, e))
		return -1;
	int rc = t->is_commit ? registry_commit(t->registry, &t->session, t->blob->digest,
						step->size ? &body : NULL, e)
			      : registry_append(t->registry, &t->session, step->offset, &body, e);
	if (step->size)
		t->sent_bytes += t->registry->response.sent_bytes;
	return rc;
}

/* Where the named repository does not have it, another may. The session that came instead is not
 * needed then. */
static int mount(struct transfer *t, struct error *e)
{
	struct mount m = {.digest = t->blob->digest, .from = t->mounts[0]};
	int rc = registry_start(t->registry, &t->session, &m, e);
	int status = t->registry->response.status;
	if (!t->mounts[1] || !status || status == 201 || program_is_interrupted())
		return rc;
	if (rc == 0)
		registry_cancel(t->registry, &t->session);
	m.from = t->mounts[1];
	return registry_start(t->registry, &t->session, &m, e);
}

/* A probe; a session, mounted from where the blob may be; else the one that oci-push-check has
 * opened; else a new one. */
static int open_session(struct transfer *t, const struct upload_step *step, struct upload_answer *a,
			struct error *e)
{
	a->was_mount = step->is_probe || (step->may_mount && t->mounts[0]);
	if (step->is_probe) {
		struct mount m = {.digest = t->blob->digest,
				  .from = t->registry->repository.repository};
		return registry_start(t->registry, &t->session, &m, e);
	}
	if (a->was_mount)
		return mount(t, e);
	a->is_taken = t->is_taken || registry_take(t->registry, &t->session);
	t->is_taken = false;
	return a->is_taken ? 0 : registry_start(t->registry, &t->session, NULL, e);
}

static int request(struct transfer *t, const struct upload_step *step, struct upload_answer *a,
		   struct error *e)
{
	switch (step->action) {
	case UPLOAD_ASK:
		return registry_has_blob(t->registry, t->blob->digest, e);
	case UPLOAD_OPEN:
		return open_session(t, step, a, e);
	case UPLOAD_STATUS:
		return registry_status(t->registry, &t->session, e);
	default:
		return send_body(t, step, e);
	}
}

/* What the registry has answered, as upload wants it. RC is that of request(). */
static void describe(const struct transfer *t, const struct upload_step *step, int rc,
		     struct upload_answer *a)
{
	const struct http_response *response = &t->registry->response;
	if (a->is_taken) {
		a->status = 202;
		a->class = ANSWER_OK;
	} else {
		a->status = response->status;
		a->class = answer_class(response);
	}
	if (step->action == UPLOAD_ASK && a->status)
		a->class = rc > 0 ? ANSWER_OK : a->class == ANSWER_OK ? ANSWER_UNKNOWN : a->class;
	/* A page, or no Location. */
	if (rc < 0 && a->was_mount && a->class == ANSWER_OK)
		a->class = ANSWER_REFUSED;
	a->have = answer_range(response);
	a->has_unit = strncasecmp(response->range, "bytes", 5) == 0;
	a->retry_after_ms = response->retry_after_ms;
	a->announced_min = step->action == UPLOAD_OPEN ? t->session.chunk_min : 0;
	a->announced_max = step->action == UPLOAD_OPEN ? t->session.chunk_max : 0;
	a->is_body_sent = response->sent_bytes >= step->size;
	a->is_repeated = response->is_repeated;
	/* A token service that is down refuses nothing. */
	if (rc < 0 && a->status == 401 && t->failure.status == STATUS_TEMPORARY)
		a->status = 0;
}

/* Whether a failure is none of the registry's: a signal, the file, a certificate, an answer that
 * makes no sense. */
static bool is_fatal(const struct transfer *t, const struct upload_answer *a)
{
	enum status status = t->failure.status;
	if (status == STATUS_INTERRUPTED || status == STATUS_DATA)
		return true;
	return status != STATUS_TEMPORARY && !a->was_mount &&
	       (a->status == 0 || a->class == ANSWER_OK);
}

static int wait_before(struct transfer *t, const struct upload_step *step, struct error *e)
{
	const struct upload *u = &t->upload;
	struct event_retry r = {
		.digest = t->blob->digest,
		.attempt = u->failures,
		.max_attempts = u->retry.tries,
		.delay_ms = step->delay_ms,
		.reason = t->failure.text,
		.http_status = t->failure_status,
	};
	return retry_wait(&r, e);
}

/* Keeps what is worth to be kept when this process ends here. */
static void remember(struct transfer *t, const struct upload_step *step)
{
	const struct upload *u = &t->upload;
	bool is_going_on = u->next == UPLOAD_SEND || u->next == UPLOAD_COMMIT;
	if (is_going_on && step->action != UPLOAD_ASK && u->plan.shape != PLAN_ONE_BODY)
		write_journal(t);
	bool has_worked = u->next == UPLOAD_DONE || (is_going_on && u->offset > 0);
	if (!has_worked || profile_equal(&u->learnt, &t->known))
		return;
	struct error why = {0};
	if (profile_save(&u->learnt, reference_host(&t->registry->repository), &why))
		program_warn("%s", why.text);
	t->known = u->learnt;
}

/* One request, and what follows from its answer. */
static int step_on(struct transfer *t, struct error *e)
{
	struct upload_step step = upload_next(&t->upload);
	struct upload_answer a = {0};
	int64_t failures = t->upload.failures;
	struct error why = {0};
	t->registry->response.status = 0;
	int rc = request(t, &step, &a, &why);
	if (rc < 0)
		t->failure = why;
	describe(t, &step, rc, &a);
	if (rc < 0)
		t->failure_status = a.status;
	if (rc < 0 && is_fatal(t, &a)) {
		*e = t->failure;
		return -1;
	}
	if (rc == 0 && a.class != ANSWER_OK && a.class != ANSWER_UNKNOWN) {
		answer_refused("HEAD", &t->registry->response, &t->failure);
		t->failure_status = a.status;
	}
	if (step.is_probe && a.status && a.class != ANSWER_OK && a.class != ANSWER_BUSY)
		t->registry->takes_no_probe = true;
	upload_answered(&t->upload, &a);
	remember(t, &step);
	step = upload_next(&t->upload);
	return t->upload.failures > failures ? wait_before(t, &step, e) : 0;
}

/* What to say when the tries are used up. */
static int give_up(const struct transfer *t, struct error *e)
{
	const struct upload *u = &t->upload;
	*e = t->failure;
	if (!e->status)
		error_set(e, STATUS_TEMPORARY,
			  "blob %s: the registry loses the upload again and again",
			  t->blob->digest->text);
	if (e->status == STATUS_TEMPORARY && u->has_session && u->offset > 0)
		error_set(e, STATUS_TEMPORARY,
			  "%.350s (%d %% of %.19s is there: the same command goes on)",
			  t->failure.text, (int)(u->offset * 100 / u->size), t->blob->digest->text);
	return -1;
}

/* What the user has named comes first. */
static void find_mounts(struct transfer *t)
{
	const struct reference *repository = &t->registry->repository;
	const char *named = t->options->mount_from;
	size_t count = 0;
	if (named && strcmp(named, repository->repository) != 0)
		t->mounts[count++] = named;
	if (pushed_find(repository, t->blob->digest, t->pushed_to) &&
	    (count == 0 || strcmp(t->pushed_to, named) != 0))
		t->mounts[count] = t->pushed_to;
}

/* Whether it is worth to ask with the POST. Not where the blob is likely there: a registry that
 * ignores mounts would get it once more. */
static bool may_probe(const struct transfer *t)
{
	const struct registry *r = t->registry;
	return plan_is_small(t->blob->source->size, &t->options->limits, &t->known) && !t->mounts[0] &&
	       !t->upload.has_session && !r->takes_no_probe &&
	       !pushed_has(&r->repository, t->blob->digest);
}

static int run(struct transfer *t, struct error *e)
{
	const struct upload *u = &t->upload;
	if (journal_open(&t->journal, &t->registry->repository, t->blob->digest)) {
		program_say("%.19s: waits for another process that uploads it",
			    t->blob->digest->text);
		if (journal_wait(&t->journal, e))
			return -1;
	}
	find_session(t);
	find_mounts(t);
	if (may_probe(t)) {
		t->is_taken = registry_take(t->registry, &t->session);
		if (!t->is_taken)
			upload_probe(&t->upload);
	}
	while (u->next != UPLOAD_DONE && u->next != UPLOAD_FAILED)
		if (step_on(t, e))
			return -1;
	if (u->next == UPLOAD_FAILED)
		return give_up(t, e);
	journal_remove(&t->journal);
	pushed_add(&t->registry->repository, t->blob->digest);
	return event_done(t->blob->digest, t->blob->source->size, u->how, t->sent_bytes,
			  clock_now_ms() - t->start_ms, e);
}

int transfer_blob(struct registry *r, const struct transfer_options *o,
		  const struct transfer_blob *blob, struct error *e)
{
	struct transfer t = {.registry = r, .options = o, .blob = blob};
	struct error ignored = {0};
	if (blob->source->size == 0)
		return error_set(e, STATUS_DATA,
				 "blob %s: empty: registries take no blobs of 0 bytes",
				 blob->digest->text);
	t.start_ms = t.reported_ms = clock_now_ms();
	t.journal.dir_fd = t.journal.lock_fd = -1;
	profile_load(&t.known, reference_host(&r->repository));
	upload_init(&t.upload, blob->source->size, &o->limits, &o->retry, &t.known,
		    (uint32_t)clock_now_ms() ^ (uint32_t)getpid());
	verify_init(&t.verify, blob->digest, blob->source);
	t.verify.is_right = o->is_trusted && !blob->source->is_reference;
	int rc = run(&t, e);
	if (t.is_taken) /* and not needed */
		(void)registry_share(r, &t.session, &ignored);
	verify_release(&t.verify);
	journal_close(&t.journal);
	return rc;
}

int transfer_ask(struct registry *r, const struct transfer_options *o, const struct digest *d,
		 struct error *e)
{
	struct attempt a;
	int rc;
	attempt_init(&a, r, &o->retry, d);
	do {
		rc = registry_has_blob(r, d, e);
		if (rc == 0 && answer_class(&r->response) == ANSWER_BUSY)
			rc = registry_refused(r, "HEAD", e);
	} while (rc < 0 && attempt_again(&a, e));
	return rc;
}

/* Whether D could be mounted. A session that came instead is of no use. */
static bool is_mounted(struct registry *r, const struct transfer_options *o, const struct digest *d)
{
	struct transfer_blob blob = {.digest = d};
	struct transfer t = {.registry = r, .options = o, .blob = &blob};
	struct error ignored = {0};
	find_mounts(&t);
	if (!t.mounts[0] || mount(&t, &ignored))
		return false;
	if (r->response.status == 201)
		return true;
	registry_cancel(r, &t.session);
	return false;
}

int transfer_absent(struct registry *r, const struct transfer_options *o, const struct digest *d,
		    struct error *e)
{
	int64_t start_ms = clock_now_ms(), size = 0;
	const char *how = "exists";
	int rc = transfer_ask(r, o, d, e);
	if (rc == 0 && is_mounted(r, o, d)) {
		how = "mounted";
		rc = transfer_ask(r, o, d, e);
	}
	if (rc <= 0)
		return rc;
	/* The length of a redirect is not that of the blob. */
	if (answer_is_success(&r->response))
		size = r->response.content_length;
	pushed_add(&r->repository, d);
	return event_done(d, size, how, 0, clock_now_ms() - start_ms, e) ? -1 : 1;
}
