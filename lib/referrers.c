/* SPDX-License-Identifier: Apache-2.0 */
#include "referrers.h"

#include "attempt.h"
#include "descriptor.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS_MAX = 10,
	TAG_SIZE = DIGEST_TEXT_LEN + 1,
};

struct update {
	struct registry *registry;
	const struct retry_policy *policy;
	const struct manifest_bytes *manifest;
	const struct digest *subject;
	char tag[TAG_SIZE];
	json_t *entry; /* the descriptor of the manifest */
	json_t *index;
};

int referrers_subject(const struct manifest_bytes *m, struct digest *subject, struct error *e)
{
	int rc = 0;
	json_t *root = json_parse(m->digest.text, m->data, m->len, e);
	if (!root)
		return -1;
	const json_t *object = json_object_get(root, "subject");
	if (object && !json_is_null(object)) {
		rc = 1;
		if (digest_parse(subject, json_text(object, "digest")))
			rc = error_set(e, STATUS_DATA, "%s: its subject has no sha256 digest",
				       m->digest.text);
	}
	json_decref(root);
	return rc;
}

/* The descriptor of M, with what the specification wants in it. */
static json_t *make_entry(const struct manifest_bytes *m, struct error *e)
{
	json_t *root = json_parse(m->digest.text, m->data, m->len, e);
	if (!root)
		return NULL;
	const char *type = json_text(root, "artifactType");
	if (!type || !*type)
		type = json_text(json_object_get(root, "config"), "mediaType");
	json_t *entry = json_pack("{s:s, s:s, s:I}", "mediaType", m->media_type, "digest",
				  m->digest.text, "size", (json_int_t)m->len);
	if (entry && type && *type)
		json_object_set_new(entry, "artifactType", json_string(type));
	json_t *notes = json_object_get(root, "annotations");
	if (entry && json_is_object(notes))
		json_object_set(entry, "annotations", notes);
	if (!entry)
		error_errno(e, "memory");
	json_decref(root);
	return entry;
}

/* Makes u->index of what is under the tag now; 0 or -1. */
static int parse_index(struct update *u, const struct buffer *text, struct error *e)
{
	struct digest found;
	digest_of(&found, text->data ? text->data : "", text->len);
	/* GitLab takes such a tag for the digest that it is made of. */
	if (text->len == 0 || digest_equal(&found, u->subject)) {
		u->index = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
				     MEDIA_TYPE_INDEX, "manifests");
		return u->index ? 0 : error_errno(e, "memory");
	}
	struct error ignored;
	u->index = json_parse(u->tag, text->data, text->len, &ignored);
	const char *type = u->index ? json_text(u->index, "mediaType") : NULL;
	if (u->index && json_list(u->index, "manifests") &&
	    (!type || strcmp(type, MEDIA_TYPE_INDEX) == 0))
		return 0;
	return error_set(e, STATUS_FAILED,
			 "tag %s of %.200s/%.200s: not an index of referrers: it is left as it is",
			 u->tag, u->registry->repository.registry,
			 u->registry->repository.repository);
}

static int pull(struct update *u, struct error *e)
{
	struct attempt a;
	struct buffer text;
	int rc;
	buffer_init(&text, JSON_MANIFEST_MAX);
	attempt_init(&a, u->registry, u->policy, &u->manifest->digest);
	do
		rc = manifests_get(u->registry, u->tag, MEDIA_TYPE_INDEX, &text, e);
	while (rc < 0 && attempt_again(&a, e));
	if (rc == 0)
		buffer_clear(&text);
	json_decref(u->index);
	u->index = NULL;
	rc = rc < 0 ? -1 : parse_index(u, &text, e);
	buffer_release(&text);
	return rc;
}

/* Puts the entry into the index. Returns whether it was there just so. */
static bool merge(struct update *u)
{
	json_t *list = json_list(u->index, "manifests");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *other = json_array_get(list, i);
		const char *digest = json_text(other, "digest");
		if (!digest || strcmp(digest, u->manifest->digest.text) != 0)
			continue;
		if (json_equal(other, u->entry))
			return true;
		json_array_set(list, i, u->entry);
		return false;
	}
	json_array_append(list, u->entry);
	return false;
}

static int push(struct update *u, struct error *e)
{
	struct attempt a;
	struct digest ignored;
	int rc;
	char *text = json_dumps(u->index, JSON_COMPACT);
	if (!text)
		return error_errno(e, "memory");
	struct manifest_bytes m = {
		.data = text, .len = strlen(text), .media_type = MEDIA_TYPE_INDEX};
	digest_of(&m.digest, m.data, m.len);
	attempt_init(&a, u->registry, u->policy, &m.digest);
	do
		rc = manifests_put(u->registry, u->tag, &m, &ignored, e);
	while (rc < 0 && attempt_again(&a, e));
	free(text);
	return rc;
}

int referrers_add(struct registry *r, const struct retry_policy *p, const struct manifest_bytes *m,
		  const struct digest *subject, struct error *e)
{
	struct update u = {.registry = r, .policy = p, .manifest = m, .subject = subject};
	int rc = -1;
	snprintf(u.tag, sizeof u.tag, "sha256-%s", digest_hex(subject));
	u.entry = make_entry(m, e);
	if (!u.entry)
		return -1;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		if (pull(&u, e))
			goto out;
		if (merge(&u)) {
			rc = 0;
			goto out;
		}
		if (push(&u, e))
			goto out;
	}
	error_set(e, STATUS_TEMPORARY,
		  "tag %s: other clients replace the index of referrers again and again", u.tag);
out:
	json_decref(u.index);
	json_decref(u.entry);
	return rc;
}
