/* SPDX-License-Identifier: Apache-2.0 */
/* The states are the requests that come next:
 *
 * ASK     Is the blob there? Yes: DONE. No: STATUS if an earlier process left a session, else OPEN.
 * OPEN    A session was made: SEND, or COMMIT of one body. Mounted: DONE; not: OPEN without.
 *         A probe comes before ASK: a mount from the very repository. There: DONE; a session: as
 *         above; anything else: ASK.
 * SEND    Accepted: SEND, or COMMIT after the last chunk. An unclear end (no answer, or one that
 *         leaves open what was stored): STATUS. Too large: a smaller body, remembered for the
 *         host. Chunks refused altogether: another shape.
 * STATUS  Where is the registry? SEND from there. It does not tell: SEND from where it may be.
 * COMMIT  Accepted: DONE. Anything else: ASK, for the blob may be there all the same; if it is
 *         not, STATUS or a new session, as the failure of the PUT suggests.
 *
 * A session that is lost is a normal event: ASK, OPEN, from the start, up to RESTARTS_MAX times
 * without coming further than before. A failure that may pass is tried again after a delay, up to
 * `retry.tries` times in a row; the count starts again when bytes were accepted. A PUT whose answer
 * was lost may have ended the session, and the blob show late: LATE_ASKS_MAX more times ASK.
 *
 * Where the registry is, is our own count; its Range is advice. S is our offset before the request,
 * E the one after it, R what the registry says:
 *
 * R absent, R = E, R = E + 1   E               (Quay counts one too many)
 * S < R < E                    R               (it took less; if it refuses R, E)
 * R <= S, after 2xx            E               (ECR names the end of the first chunk for ever)
 * R > E + 1                    a new session   (it has what we did not send)
 *
 * After an unclear end it may be at R, S or E: these are `guesses`, tried in turn until it accepts
 * one. Where none is left the session is given up.
 *
 * A registry that announces a minimum wants chunks of one size: another size gets a new session. */
#include "upload.h"

enum {
	RESTARTS_MAX = 10,
	SLOW_COMMITS_MAX = 3,
	LATE_ASKS_MAX = 3,
	BAD_COMMITS_MAX = 6,
	ASKS_MAX = 3
};

void upload_init(struct upload *u, int64_t size, const struct plan_limits *limits,
		 const struct retry_policy *retry, const struct profile *learnt, uint32_t seed)
{
	*u = (struct upload){
		.size = size,
		.limits = *limits,
		.retry = *retry,
		.learnt = *learnt,
		.next = UPLOAD_ASK,
		.random = seed,
		.may_mount = true,
		.guesses = {.size = size},
		.unsure_end = -1,
	};
}

/* The end of the body that starts at OFFSET. */
static int64_t body_end(const struct upload *u, int64_t offset)
{
	int64_t left = u->size - offset;
	return offset + (left < u->plan.chunk ? left : u->plan.chunk);
}

void upload_probe(struct upload *u)
{
	u->is_probe = true;
	u->next = UPLOAD_OPEN;
}

void upload_resume(struct upload *u, const struct plan *plan, int64_t offset)
{
	u->plan = *plan;
	u->offset = offset;
	u->has_session = u->is_resumed = true;
	u->unsure_end = body_end(u, offset);
}

/* --- Where the registry may be ----------------------------------------------------------- */

static void forget_guesses(struct upload *u)
{
	guesses_clear(&u->guesses);
	u->bad_sends = 0;
	u->unsure_end = -1;
	u->asks = 0;
}

/* --- How to go on ------------------------------------------------------------------------ */

static void fail(struct upload *u)
{
	u->next = UPLOAD_FAILED;
}

static void succeed(struct upload *u, const char *how)
{
	u->how = how;
	u->next = UPLOAD_DONE;
}

/* A failure that may pass: NEXT after a delay. */
static void try_later(struct upload *u, enum upload_action next, const struct upload_answer *a)
{
	if (u->failures >= u->retry.tries) {
		fail(u);
		return;
	}
	u->failures++;
	u->random = u->random * 1664525 + 1013904223;
	u->delay_ms = retry_delay(&u->retry, u->failures, a->status ? a->retry_after_ms : -1,
				  u->random >> 16);
	u->next = next;
}

static void leave_session(struct upload *u, enum upload_action next)
{
	u->has_session = u->is_taken = u->is_resumed = false;
	u->is_committing = u->may_be_there = false;
	u->offset = 0;
	forget_guesses(u);
	u->next = next;
}

/* The session is gone, or not to be trusted. Once at once; then with delays, which count. */
static void restart(struct upload *u, const struct upload_answer *a)
{
	u->late_asks = u->may_be_there ? LATE_ASKS_MAX : 0;
	leave_session(u, UPLOAD_ASK);
	if (++u->restarts > RESTARTS_MAX)
		fail(u);
	else if (u->restarts > 1)
		try_later(u, UPLOAD_ASK, a);
}

/* The registry does not take the blob in the shape it had. */
static void change_shape(struct upload *u, enum plan_shape shape)
{
	u->refused_shapes |= 1u << u->plan.shape;
	if (u->refused_shapes & 1u << shape) {
		fail(u);
		return;
	}
	u->learnt.is_one_body = shape == PLAN_ONE_BODY;
	u->learnt.is_chunked = u->plan.shape == PLAN_ONE_BODY;
	u->learnt.is_last_in_put = shape == PLAN_LAST_IN_PUT;
	u->bad_commits = 0;
	leave_session(u, UPLOAD_OPEN);
}

/* SEND, or COMMIT where what is left belongs into the PUT. */
static void go_on(struct upload *u)
{
	int64_t left = u->size - u->offset;
	bool is_last = u->plan.shape == PLAN_ONE_BODY ||
		       (u->plan.shape == PLAN_LAST_IN_PUT && left <= u->plan.chunk);
	u->next = left == 0 || is_last ? UPLOAD_COMMIT : UPLOAD_SEND;
}

static void begin(struct upload *u)
{
	u->plan = plan_make(u->size, &u->limits, &u->learnt);
	go_on(u);
}

static void accept(struct upload *u, int64_t offset)
{
	u->offset = offset;
	u->is_taken = false;
	u->failures = 0;
	if (offset > u->best) {
		u->best = offset;
		u->restarts = 0;
	}
	forget_guesses(u);
	go_on(u);
}

/* Goes on at the next place where the registry may be; without one the session is lost. */
static void guess(struct upload *u, const struct upload_answer *a)
{
	if (guesses_take(&u->guesses, &u->offset))
		go_on(u);
	else
		restart(u, a);
}

/* A body of SIZE bytes was too large. */
static void shrink(struct upload *u, int64_t size, const struct upload_answer *a)
{
	int64_t smaller = plan_smaller(size, &u->limits);
	if (!smaller || (u->plan.shape == PLAN_ONE_BODY && u->refused_shapes)) {
		fail(u);
		return;
	}
	if (a->status == 416)
		u->learnt.max_chunk = smaller;
	else
		u->learnt.max_body = smaller;
	u->learnt.is_one_body = false;
	if (a->status == 416 || u->limits.announced_min || u->is_taken)
		leave_session(u, UPLOAD_OPEN);
	else
		begin(u);
}

/* --- What came of each request ----------------------------------------------------------- */

static bool is_lost(const struct upload_answer *a)
{
	return !a->status || a->class == ANSWER_BUSY;
}

/* A proxy gave up waiting; what it waited for goes on. */
static bool is_slow(const struct upload_answer *a)
{
	return a->status == 408 || a->status == 499 || a->status == 504 || a->status == 524;
}

/* The blob is not there after a PUT of the whole. */
static void after_one_body(struct upload *u, const struct upload_answer *put)
{
	if (is_lost(put)) {
		enum upload_action next = put->is_body_sent ? UPLOAD_ASK : UPLOAD_OPEN;
		leave_session(u, next);
		try_later(u, next, put);
	} else if (put->class == ANSWER_UNKNOWN && u->bad_commits == 1) {
		restart(u, put);
	} else {
		change_shape(u, PLAN_CHUNKS);
	}
}

/* The blob is not there after chunks and a PUT. What is 500 twice is so for good. */
static void after_chunks(struct upload *u, const struct upload_answer *put)
{
	int most = put->status == 500 ? 1 : BAD_COMMITS_MAX / 2; /* in one session */
	bool is_first = u->bad_commits <= 1;
	bool is_gone = put->status && put->class == ANSWER_UNKNOWN;
	if (put->status && !is_gone && u->learnt.is_range_frozen && u->plan.shape == PLAN_CHUNKS)
		change_shape(u, PLAN_LAST_IN_PUT);
	else if (!put->status || (is_lost(put) && u->bad_commits <= most))
		try_later(u, UPLOAD_STATUS, put);
	else if (is_first && put->class == ANSWER_BAD_RANGE)
		u->next = UPLOAD_STATUS;
	else if (is_gone || is_lost(put) || (is_first && u->is_resumed))
		restart(u, put);
	else
		change_shape(u, u->plan.shape != PLAN_CHUNKS ? PLAN_CHUNKS
				: u->size > u->plan.chunk    ? PLAN_LAST_IN_PUT
							     : PLAN_ONE_BODY);
}

static void on_ask(struct upload *u, const struct upload_answer *a)
{
	const struct upload_answer put = u->commit;
	bool is_unclear = !a->status || a->status == 429 || a->retry_after_ms >= 0 ||
			  (u->is_committing && a->class == ANSWER_BUSY);
	if (a->status && a->class == ANSWER_OK) {
		succeed(u, u->has_committed ? "uploaded" : "exists");
	} else if (is_unclear) {
		try_later(u, UPLOAD_ASK, a);
	} else if (u->is_committing && is_slow(&put) && u->failures < SLOW_COMMITS_MAX) {
		try_later(u, UPLOAD_ASK, &put);
	} else if (u->bad_commits > BAD_COMMITS_MAX) {
		fail(u);
	} else if (u->is_committing) {
		u->is_committing = false;
		if (u->plan.shape == PLAN_ONE_BODY)
			after_one_body(u, &put);
		else
			after_chunks(u, &put);
	} else if (u->late_asks > 0 && u->failures < u->retry.tries) {
		u->late_asks--;
		try_later(u, UPLOAD_ASK, a);
	} else {
		u->next = u->has_session ? UPLOAD_STATUS : UPLOAD_OPEN;
	}
}

static void on_open(struct upload *u, const struct upload_answer *a)
{
	bool is_open = a->status && a->class == ANSWER_OK;
	bool is_probe = u->is_probe;
	enum upload_action without = is_probe ? UPLOAD_ASK : UPLOAD_OPEN;
	u->is_probe = false;
	if (a->was_mount)
		u->may_mount = false;
	if (a->was_mount && a->status == 201) {
		succeed(u, is_probe ? "exists" : "mounted");
	} else if (is_open) {
		u->has_session = true;
		u->is_taken = a->is_taken;
		u->limits.announced_min = a->announced_min;
		u->limits.announced_max = a->announced_max;
		begin(u);
	} else if (a->was_mount && a->retry_after_ms >= 0) {
		try_later(u, without, a);
	} else if (a->was_mount) {
		u->next = without;
	} else if (is_lost(a)) {
		try_later(u, UPLOAD_OPEN, a);
	} else {
		fail(u);
	}
}

static void on_status(struct upload *u, const struct upload_answer *a)
{
	int64_t have = a->have;
	/* What 500 is to the last try is a lost session: else no command would ever go on. */
	bool is_dead = a->status == 500 && u->failures >= u->retry.tries;
	bool has_more = a->class == ANSWER_OK && have > u->size + a->has_unit;
	if (is_lost(a) && !is_dead) {
		try_later(u, UPLOAD_STATUS, a);
		return;
	}
	if (is_dead || a->class == ANSWER_UNKNOWN || has_more) {
		restart(u, a);
		return;
	}
	if (a->class == ANSWER_DENIED) {
		fail(u);
		return;
	}
	/* While it moves, it is at what was cut. */
	bool is_moving = u->asks && a->class == ANSWER_OK && have > u->offset + a->has_unit;
	u->asks = is_moving ? 1 : u->asks + 1;
	guesses_drop(&u->guesses);
	/* Quay, which counts one too many, says "bytes=". */
	if (a->class == ANSWER_OK && a->has_unit && have != u->offset && have != u->unsure_end)
		guesses_add(&u->guesses, have - 1);
	if (a->class == ANSWER_OK && !u->learnt.is_range_frozen)
		guesses_add(&u->guesses, have);
	guesses_add(&u->guesses, u->offset);
	guesses_add(&u->guesses, u->unsure_end);
	if (a->class == ANSWER_OK)
		guesses_add(&u->guesses, have);
	u->is_resumed = true;
	guess(u, a);
}

/* Only ECR is known to do that, and it wants the last chunk in the PUT. */
static void learn_frozen(struct upload *u)
{
	u->learnt.is_range_frozen = u->learnt.is_last_in_put = true;
	u->plan.shape = PLAN_LAST_IN_PUT;
}

/* 2xx for a chunk. */
static void reconcile(struct upload *u, const struct upload_answer *a)
{
	int64_t start = u->offset, end = body_end(u, start), have = a->have;
	if (have > end + 1) {
		restart(u, a);
	} else if (have > start && have < end && !u->learnt.is_range_frozen) {
		accept(u, have);
		guesses_add(&u->guesses, end);
	} else {
		if (!u->learnt.is_range_frozen && start > 0 && have >= 0 && have <= start)
			learn_frozen(u);
		accept(u, end);
	}
}

/* 416: the offset is not where the registry is. */
static void on_bad_range(struct upload *u, const struct upload_answer *a)
{
	int64_t start = u->offset;
	if (!guesses_refuse(&u->guesses, start)) {
		restart(u, a);
		return;
	}
	if (a->have == start && a->has_unit) {
		guesses_drop(&u->guesses);
		guesses_add(&u->guesses, start - 1);
	} else if (a->have == start && start == 0) {
		change_shape(u, PLAN_ONE_BODY); /* it is not the offset */
		return;
	} else if (a->have >= 0) {
		guesses_drop(
			&u->guesses); /* none where it is START: the size is wrong, or one before */
		guesses_add(&u->guesses, a->have);
	} else if (u->asks == 0) {
		u->next = UPLOAD_STATUS;
		return;
	} else if (u->asks < ASKS_MAX && !u->learnt.is_range_frozen) {
		/* What was cut may still be on its way into the registry. */
		try_later(u, UPLOAD_STATUS, a);
		return;
	}
	guess(u, a);
}

/* Whether a session that another program has opened turns out to be lost at its first use. */
static bool is_stale(const struct upload *u, const struct upload_answer *a)
{
	return u->is_taken &&
	       (a->status == 400 || a->status == 404 || a->status == 416 || a->status == 500);
}

static void on_send(struct upload *u, const struct upload_answer *a)
{
	int64_t end = body_end(u, u->offset);
	if (is_stale(u, a)) {
		leave_session(u, UPLOAD_OPEN);
		return;
	}
	/* Gitea has lost its own place, whatever its status says. */
	if (a->status == 500 && ++u->bad_sends > 1) {
		restart(u, a);
		return;
	}
	if (is_lost(a)) {
		if (a->is_body_sent)
			u->unsure_end = end;
		u->asks = 0;
		try_later(u, UPLOAD_STATUS, a);
		return;
	}
	switch (a->class) {
	case ANSWER_OK:
		reconcile(u, a);
		break;
	case ANSWER_TOO_LARGE:
		shrink(u, end - u->offset, a);
		break;
	case ANSWER_BAD_RANGE:
		on_bad_range(u, a);
		break;
	case ANSWER_UNKNOWN:
		restart(u, a);
		break;
	case ANSWER_REFUSED:
		change_shape(u, PLAN_ONE_BODY);
		break;
	default:
		fail(u);
		break;
	}
}

static void on_commit(struct upload *u, const struct upload_answer *a)
{
	int64_t body = u->size - u->offset;
	bool is_answered = a->status != 0;
	u->has_committed = true;
	if (is_answered && a->class == ANSWER_OK) {
		succeed(u, "uploaded");
	} else if (is_stale(u, a)) {
		leave_session(u, UPLOAD_ASK);
	} else if (is_answered && a->class == ANSWER_DENIED) {
		fail(u);
	} else if (is_answered && a->class == ANSWER_TOO_LARGE && body) {
		shrink(u, body, a);
	} else {
		bool is_unclear = is_lost(a) || a->is_repeated;
		u->bad_commits += is_answered;
		u->may_be_there = u->may_be_there || (is_unclear && a->is_body_sent);
		u->commit = *a;
		u->is_committing = true;
		u->next = UPLOAD_ASK;
	}
}

struct upload_step upload_next(const struct upload *u)
{
	struct upload_step step = {.action = u->next, .delay_ms = u->delay_ms};
	step.is_probe = u->is_probe;
	step.may_mount = u->next == UPLOAD_OPEN && u->may_mount;
	if (u->next == UPLOAD_SEND || u->next == UPLOAD_COMMIT) {
		step.offset = u->offset;
		step.size = (u->next == UPLOAD_SEND ? body_end(u, u->offset) : u->size) - u->offset;
	}
	return step;
}

void upload_answered(struct upload *u, const struct upload_answer *a)
{
	u->delay_ms = 0;
	switch (u->next) {
	case UPLOAD_ASK:
		on_ask(u, a);
		break;
	case UPLOAD_OPEN:
		on_open(u, a);
		break;
	case UPLOAD_STATUS:
		on_status(u, a);
		break;
	case UPLOAD_SEND:
		on_send(u, a);
		break;
	case UPLOAD_COMMIT:
		on_commit(u, a);
		break;
	default:
		break;
	}
}
