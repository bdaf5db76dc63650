/* SPDX-License-Identifier: Apache-2.0 */
/* upload: what to ask of a registry next so that it gets one blob. Pure: it makes no request, reads
 * no file and no clock. transfer does what it says and tells it what came of it. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "answer.h"
#include "guesses.h"
#include "plan.h"
#include "profile.h"
#include "retry.h"

#include <stdbool.h>
#include <stdint.h>

enum upload_action {
	UPLOAD_ASK,    /* HEAD of the blob */
	UPLOAD_OPEN,   /* POST: a new session */
	UPLOAD_STATUS, /* GET of the session */
	UPLOAD_SEND,   /* PATCH with `size` bytes at `offset` */
	UPLOAD_COMMIT, /* PUT with `size` bytes at `offset` (may be 0) */
	UPLOAD_DONE,   /* the registry has the blob */
	UPLOAD_FAILED, /* the last answer is why */
};

struct upload_step {
	enum upload_action action;
	int64_t offset, size; /* bytes of the blob that go into the body */
	int64_t delay_ms;     /* to wait before it; more than 0 after a failure */
	bool may_mount;	      /* of OPEN */
	bool is_probe;	      /* of OPEN: as a mount from the blob's own repository, see upload.c */
};

struct upload_answer {
	int status;		 /* 0: none came; the connection was lost or never made */
	enum answer_class class; /* of an answer */
	int64_t have;		 /* bytes that the registry says it has; -1: it does not say */
	bool has_unit;		 /* it says so with "bytes=", as those do that count one too many */
	int64_t retry_after_ms;	 /* -1: it does not say */
	int64_t announced_min, announced_max; /* of OPEN and STATUS */
	bool is_body_sent;		      /* whole */
	bool is_repeated;		      /* the request was sent before, and its answer lost */
	bool was_mount;			      /* of OPEN: a mount was asked for */
	bool is_taken;			      /* of OPEN: another program has opened the session */
};

struct upload {
	/* Given. */
	int64_t size;
	struct plan_limits limits;
	struct retry_policy retry;
	/* Learnt; the caller keeps it when it differs from what it was. */
	struct profile learnt;
	/* Where it stands. */
	enum upload_action next;
	struct plan plan;
	int64_t offset; /* bytes that the registry has, as far as we know */
	bool is_probe;	/* OPEN is for one */
	bool has_session;
	bool is_taken;	    /* another program opened it, and it has yet to accept something */
	bool is_resumed;    /* it went on after an unclear end */
	bool is_committing; /* ASK is for the outcome of a PUT, of which the answer was `commit` */
	bool has_committed;
	bool may_be_there; /* a PUT was sent in this session, and what came of it is not known */
	int late_asks;	   /* that are left, for a blob that may show late */
	struct upload_answer commit;
	/* Where the registry may be. */
	int64_t unsure_end; /* the end of a body that it may have stored; -1: none */
	struct guesses guesses;
	int asks; /* STATUS that was answered, since the last unclear end */
	/* Bounds. */
	int64_t failures; /* in a row, without progress */
	int64_t delay_ms;
	int64_t best;		 /* the highest offset of any session */
	int restarts;		 /* since `best` rose */
	int bad_sends;		 /* chunks that were answered with 500, since bytes were accepted */
	int bad_commits;	 /* PUTs that were answered with a failure, in this shape */
	unsigned refused_shapes; /* bits of enum plan_shape */
	uint32_t random;
	bool may_mount;
	const char *how; /* of DONE: exists, mounted, uploaded */
};

/* Makes U ready for a blob of SIZE bytes (more than 0). SEED decides the jitter of the delays. */
void upload_init(struct upload *u, int64_t size, const struct plan_limits *limits,
		 const struct retry_policy *retry, const struct profile *learnt, uint32_t seed);

/* U, for a blob that is likely not there, begins with a POST that also tells whether it is. */
void upload_probe(struct upload *u);

/* U goes on with a session of an earlier process, in which OFFSET bytes were accepted. */
void upload_resume(struct upload *u, const struct plan *plan, int64_t offset);

/* What to do next. */
struct upload_step upload_next(const struct upload *u);

/* What came of it. */
void upload_answered(struct upload *u, const struct upload_answer *a);

#endif
