/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast.h"

#include "answer.h"
#include "event.h"
#include "journal.h"
#include "plan.h"
#include "profile.h"
#include "pushed.h"

#include <stdio.h>
#include <string.h>

/* What a HEAD that did not find anything means for who has asked nothing else. */
static int check_refusal(struct registry *r, struct error *e)
{
	enum answer_class class = answer_class(&r->response);
	bool is_page = class == ANSWER_OK && answer_is_html(&r->response);
	return class == ANSWER_DENIED || is_page ? registry_refused(r, "HEAD", e) : 0;
}

/* Whether the repository FROM of the registry has D. That we may not look there is no failure. */
static bool is_in(struct forecast *f, const char *from, const struct digest *d)
{
	struct error ignored = {0};
	struct registry *other = &f->other;
	if (!other->http || strcmp(other->repository.repository, from) != 0) {
		struct reference repository = f->registry->repository;
		snprintf(repository.repository, sizeof repository.repository, "%s", from);
		registry_release(other);
		if (registry_open(other, &repository, f->trust, NULL, &ignored))
			return false;
	}
	return transfer_ask(other, f->options, d, &ignored) > 0;
}

/* Whether it would be mounted: from the repository that the user named, or one that had it from
 * here. */
static bool is_elsewhere(struct forecast *f, const struct digest *d)
{
	const struct reference *repository = &f->registry->repository;
	const char *named = f->options->mount_from;
	char from[REFERENCE_NAME_MAX + 1];
	if (named && strcmp(named, repository->repository) != 0 && is_in(f, named, d))
		return true;
	return pushed_find(repository, d, from) && !(named && strcmp(from, named) == 0) &&
	       is_in(f, from, d);
}

/* How P->size bytes would be cut, less what an upload that goes on has sent. */
static void cut(const struct forecast *f, struct event_plan *p)
{
	const struct reference *repository = &f->registry->repository;
	struct profile learnt;
	struct journal journal;
	struct journal_entry entry;
	profile_load(&learnt, reference_host(repository));
	struct plan plan = plan_make(p->size, &f->options->limits, &learnt);
	p->sent_bytes = p->size;
	bool is_open = journal_open(&journal, repository, p->digest) == 0 &&
		       journal_read(&journal, &entry) && entry.offset <= p->size &&
		       entry.plan.chunk > 0;
	if (is_open) {
		plan = entry.plan;
		p->sent_bytes -= entry.offset;
	}
	journal_close(&journal);
	p->chunks = (p->sent_bytes + plan.chunk - 1) / plan.chunk;
}

int forecast_blob(struct forecast *f, const struct digest *d, int64_t size, struct error *e)
{
	struct registry *r = f->registry;
	struct event_plan p = {.digest = d, .size = size, .how = "exists"};
	int rc = transfer_ask(r, f->options, d, e);
	if (rc < 0 || (rc == 0 && check_refusal(r, e)))
		return -1;
	const struct registry *found = rc ? r : NULL;
	if (!rc && is_elsewhere(f, d)) {
		p.how = "mounted";
		found = &f->other;
	} else if (!rc && size < 0) {
		return 0;
	} else if (!rc) {
		p.how = "uploaded";
		cut(f, &p);
	}
	/* The length of a redirect is not that of the blob. */
	if (size < 0)
		p.size = answer_is_success(&found->response) ? found->response.content_length : 0;
	return event_plan(&p, e) ? -1 : 1;
}

int forecast_manifest(const struct delivery *d, const char *name, const struct manifest_bytes *m,
		      const char *ref, struct error *e)
{
	struct event_plan p = {
		.digest = &m->digest, .size = (int64_t)m->len, .how = "exists", .ref = ref};
	int rc = delivery_ask(d, name, m->media_type, &m->digest, e);
	if (rc < 0 || (rc == 0 && check_refusal(d->registry, e)))
		return -1;
	if (rc == 0) {
		p.how = "uploaded";
		p.sent_bytes = p.size;
		p.chunks = 1;
	}
	return event_plan(&p, e);
}

void forecast_release(struct forecast *f)
{
	registry_release(&f->other);
}
