/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a PUT that failed:
 *
 *	a blob or child is unknown	wait and PUT again; when the tries are used up, HEAD each,
 *					upload what is missing, PUT once more
 *	no answer, 499, 5xx		HEAD: it may be there; else wait and PUT again
 *	the tag is refused		HEAD: an immutable tag may be this manifest already
 *	else				wait and PUT again where the policy says so
 */
#include "delivery.h"

#include "answer.h"
#include "attempt.h"
#include "descriptor.h"
#include "json.h"
#include "program.h"
#include "pushed.h"
#include "referrers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MISSING_NAMED_MAX = 3 };

struct job {
	const struct delivery *delivery;
	struct registry *registry;
	const char *name;
	const struct manifest_bytes *manifest;
	struct attempt attempt;
	struct digest subject; /* that the answer named */
	bool is_repaired;
	struct digest missing[MISSING_NAMED_MAX]; /* when it was repaired; the first of them */
	size_t missing_count;
};

int delivery_ask(const struct delivery *d, const char *name, const char *media_type,
		 const struct digest *digest, struct error *e)
{
	struct registry *r = d->registry;
	struct attempt a;
	struct digest found;
	int rc;
	attempt_init(&a, r, &d->options->retry, digest);
	do {
		rc = manifests_digest(r, name, media_type, &found, e);
		/* To come back later is no answer. */
		if (rc == 0 && answer_class(&r->response) == ANSWER_BUSY)
			rc = registry_refused(r, "HEAD", e);
	} while (rc < 0 && attempt_again(&a, e));
	return rc > 0 ? digest_equal(&found, digest) : rc;
}

static int put_child(const struct job *j, const struct descriptor *d, int fd, struct error *e)
{
	struct buffer text;
	char block[16 * 1024];
	ssize_t n;
	int rc = -1;
	buffer_init(&text, JSON_MANIFEST_MAX);
	while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && buffer_append(&text, block, (size_t)n, e))
			goto out;
	struct manifest_bytes m = {
		.data = text.len ? text.data : "", .len = text.len, .media_type = d->media_type};
	digest_of(&m.digest, m.data, m.len);
	if (n < 0)
		error_errno(e, "manifest %s", d->digest.text);
	else if (!digest_equal(&m.digest, &d->digest))
		error_set(e, STATUS_DATA, "manifest %s: its bytes are %s", d->digest.text,
			  m.digest.text);
	else
		rc = delivery_put(j->delivery, d->digest.text, &m, e);
out:
	buffer_release(&text);
	return rc;
}

/* Uploads what D names unless the registry has it. What can't be opened stays missing. */
static int repair_one(struct job *j, const struct descriptor *d, struct error *e)
{
	const struct delivery *delivery = j->delivery;
	bool is_manifest = d->kind == KIND_MANIFEST || d->kind == KIND_INDEX;
	struct source source;
	struct transfer_blob blob = {.digest = &d->digest, .source = &source};
	int64_t size = 0;
	struct error why = {0};
	int rc = is_manifest ? delivery_ask(delivery, d->digest.text, d->media_type, &d->digest, e)
			     : transfer_ask(j->registry, delivery->options, &d->digest, e);
	if (rc)
		return rc < 0 ? -1 : 0;
	int fd = delivery->open(delivery->context, &d->digest, &size, &why);
	if (fd < 0 && d->has_urls)
		return 0;
	if (j->missing_count < MISSING_NAMED_MAX)
		j->missing[j->missing_count] = d->digest;
	j->missing_count++;
	if (fd < 0) {
		program_say("%s", why.text);
		return 0;
	}
	source_file(&source, fd, size);
	rc = is_manifest ? put_child(j, d, fd, e)
			 : transfer_blob(j->registry, delivery->options, &blob, e);
	source_release(&source);
	return rc;
}

static int repair(struct job *j, struct error *e)
{
	struct manifest m;
	int rc = manifest_parse(&m, j->manifest->digest.text, j->manifest->data, j->manifest->len,
				e);
	if (rc == 0 && m.has_config)
		rc = repair_one(j, &m.config, e);
	for (size_t i = 0; rc == 0 && i < m.count; i++)
		rc = repair_one(j, &m.items[i], e);
	manifest_release(&m);
	return rc;
}

static int name_missing(const struct job *j, struct error *e)
{
	char list[MISSING_NAMED_MAX * (DIGEST_TEXT_LEN + 2) + 32] = "";
	const struct error refusal = *e;
	size_t len = 0;
	for (size_t i = 0; i < j->missing_count && i < MISSING_NAMED_MAX; i++)
		len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "",
					j->missing[i].text);
	if (j->missing_count > MISSING_NAMED_MAX)
		snprintf(list + len, sizeof list - len, " and %zu more",
			 j->missing_count - MISSING_NAMED_MAX);
	if (*list)
		error_set(e, refusal.status, "the registry lacks %s: %s", list, refusal.text);
	return -1;
}

/* What a blob or a child is unknown to may know it in a moment. */
static int wait_for_blobs(struct job *j, struct error *e)
{
	int rc = j->is_repaired ? 0 : attempt_wait(&j->attempt, e);
	if (rc)
		return rc;
	if (j->is_repaired)
		return name_missing(j, e);
	j->is_repaired = true;
	j->attempt.failures = 0;
	*e = (struct error){0};
	return repair(j, e) ? -1 : 1;
}

/* The tag is refused, and is another manifest. */
static int refuse_tag(const struct digest *found, struct error *e)
{
	const struct error refusal = *e;
	return error_set(e, refusal.status, "%.340s; the tag is %s there, and may be immutable: push another",
			 refusal.text, found->text);
}

static bool may_be_immutable(const struct job *j)
{
	struct digest d;
	int status = j->attempt.http_status;
	return digest_parse(&d, j->name) &&
	       (status == 400 || status == 403 || status == 405 || status == 409 || status == 412);
}

/* What follows from the failure E of the PUT: 1 to put again, 0 when it is there, -1. */
static int recover(struct job *j, struct error *e)
{
	struct registry *r = j->registry;
	struct error ignored;
	struct digest found = {0};
	attempt_note(&j->attempt, e);
	int status = j->attempt.http_status;
	bool is_unclear = j->attempt.is_passing && (status == 0 || status >= 499);
	bool is_unknown = status == 400 || status == 404;
	if (is_unknown && (answer_says(&r->response, "BLOB_UNKNOWN") ||
			   answer_says(&r->response, "MANIFEST_UNKNOWN")))
		return wait_for_blobs(j, e);
	if (!is_unclear && !may_be_immutable(j))
		return j->attempt.is_passing && attempt_wait(&j->attempt, e) > 0 ? 1 : -1;
	int rc = manifests_digest(r, j->name, j->manifest->media_type, &found, &ignored);
	if (rc > 0 && digest_equal(&found, &j->manifest->digest))
		return 0;
	if (is_unclear || j->attempt.is_passing)
		return attempt_wait(&j->attempt, e) > 0 ? 1 : -1;
	return rc > 0 ? refuse_tag(&found, e) : -1;
}

static int put(struct job *j, struct error *e)
{
	int rc = 1;
	attempt_init(&j->attempt, j->registry, &j->delivery->options->retry, &j->manifest->digest);
	while (rc > 0) {
		rc = manifests_put(j->registry, j->name, j->manifest, &j->subject, e);
		if (rc < 0)
			rc = recover(j, e);
	}
	if (rc == 0)
		*e = (struct error){0};
	return rc;
}

int delivery_put(const struct delivery *d, const char *name, const struct manifest_bytes *m,
		 struct error *e)
{
	struct job j = {.delivery = d, .registry = d->registry, .name = name, .manifest = m};
	struct digest subject;
	int has_subject = referrers_subject(m, &subject, e);
	if (has_subject < 0)
		return -1;
	bool may_be_there = !has_subject && pushed_has(&d->registry->repository, &m->digest);
	int there = may_be_there ? delivery_ask(d, name, m->media_type, &m->digest, e) : 0;
	if (there)
		return there < 0 ? -1 : 0;
	if (put(&j, e))
		return -1;
	pushed_add(&d->registry->repository, &m->digest);
	if (!has_subject || digest_equal(&subject, &j.subject))
		return 0;
	return referrers_add(d->registry, &d->options->retry, m, &subject, e);
}
