/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include "amount.h"
#include "error.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX ((int64_t)1 << 50)

enum { SHORT_LEN = 12 }; /* digits of a digest that people see */

void tally_init(struct tally *t, int64_t now_ms)
{
	*t = (struct tally){.start_ms = now_ms, .registry = {.size = -1}};
}

void tally_release(struct tally *t)
{
	free(t->blobs);
	free(t->manifests);
	*t = (struct tally){0};
}

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
	error_clean(to);
}

#define COPY(to, text) copy(to, sizeof(to), text)

/* Numbers of records are bounded, so that sums of some of them are no concern. */
static int64_t number(const json_t *record, const char *key)
{
	int64_t value = json_size(record, key);
	return value < NUMBER_MAX ? value : NUMBER_MAX;
}

static void add(int64_t *sum, int64_t value)
{
	*sum = value > INT64_MAX - *sum ? INT64_MAX : *sum + value;
}

/* One more at the end of an array of COUNT; NULL when there is no memory. */
static void *grow(void **array, struct tally_extent *extent, size_t size)
{
	if (extent->count == extent->capacity) {
		size_t capacity = extent->capacity ? extent->capacity * 2 : 16;
		void *more = realloc(*array, capacity * size);
		if (!more)
			return NULL;
		*array = more;
		extent->capacity = capacity;
	}
	return memset((char *)*array + extent->count++ * size, 0, size);
}

static struct tally_blob *add_blob(struct tally *t)
{
	void *array = t->blobs;
	struct tally_blob *b = grow(&array, &t->blob_extent, sizeof *b);
	t->blobs = array;
	if (b)
		b->size = b->input_size = b->taken_ms = -1;
	return b;
}

static struct tally_manifest *add_manifest(struct tally *t)
{
	void *array = t->manifests;
	struct tally_manifest *m = grow(&array, &t->manifest_extent, sizeof *m);
	t->manifests = array;
	return m;
}

static struct tally_manifest *find_manifest(const struct tally *t, const char *digest)
{
	for (size_t i = 0; i < t->manifest_extent.count; i++)
		if (strcmp(t->manifests[i].digest, digest) == 0)
			return &t->manifests[i];
	return NULL;
}

static struct tally_manifest *need_manifest(struct tally *t, const char *digest)
{
	struct tally_manifest *m = find_manifest(t, digest);
	if (!m && (m = add_manifest(t)))
		COPY(m->digest, digest);
	return m;
}

static struct tally_blob *find_digest(const struct tally *t, const char *digest)
{
	for (size_t i = 0; i < t->blob_extent.count; i++)
		if (strcmp(t->blobs[i].digest, digest) == 0)
			return &t->blobs[i];
	return NULL;
}

/* A layer that is in the registry in one form may be made in another. */
static struct tally_blob *find_diff_id(const struct tally *t, const char *diff_id)
{
	for (size_t i = 0; i < t->blob_extent.count; i++)
		if (t->blobs[i].state != TALLY_DONE && strcmp(t->blobs[i].diff_id, diff_id) == 0)
			return &t->blobs[i];
	return NULL;
}

/* The oldest that is being converted and of which only the SOURCE is known; of any source if NULL.
 */
static struct tally_blob *find_source(const struct tally *t, const char *source)
{
	for (size_t i = 0; i < t->blob_extent.count; i++) {
		struct tally_blob *b = &t->blobs[i];
		if (b->state == TALLY_CONVERTING && !*b->digest && !*b->diff_id &&
		    (!source || strcmp(b->source, source) == 0))
			return b;
	}
	return NULL;
}

static struct tally_blob *need_digest(struct tally *t, const char *digest)
{
	char clean[DIGEST_TEXT_LEN + 1];
	COPY(clean, digest);
	struct tally_blob *b = find_digest(t, clean);
	if (!b && (b = add_blob(t)))
		COPY(b->digest, clean);
	if (b && strcmp(clean, t->config) == 0)
		b->is_config = true;
	return b;
}

/* --- Records -----------------------------------------------------------------------------------
 */

static void take_phase(struct tally *t, const json_t *record)
{
	const char *phase = json_text(record, "phase");
	if (!phase)
		return;
	t->is_converting |= strcmp(phase, "converting") == 0 || strcmp(phase, "exporting") == 0;
	t->is_done |= strcmp(phase, "done") == 0;
}

/* What was converted and is no part of the image was announced by nothing but its source. */
static void drop_sources(struct tally *t)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->blob_extent.count; i++)
		if (t->blobs[i].state != TALLY_CONVERTING || *t->blobs[i].digest)
			t->blobs[kept++] = t->blobs[i];
	t->blob_extent.count = kept;
}

static void take_source(struct tally *t, const json_t *record)
{
	if (json_text(record, "configDigest"))
		COPY(t->config, json_text(record, "configDigest"));
	if (json_text(record, "platform"))
		COPY(t->source.platform, json_text(record, "platform"));
}

static void take_image(struct tally *t, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *platform = json_text(record, "platform");
	struct tally_manifest *m = digest ? need_manifest(t, digest) : NULL;
	if (m && platform)
		COPY(m->platform, platform);
	t->is_converting = false;
	drop_sources(t);
}

/* A layer that is going to be converted, or sent. */
static struct tally_blob *take_layer(struct tally *t, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *diff_id = json_text(record, "diffId");
	struct tally_blob *b = digest ? need_digest(t, digest) : NULL;
	if (!b && diff_id && !(b = find_diff_id(t, diff_id)))
		b = add_blob(t);
	if (b && diff_id)
		COPY(b->diff_id, diff_id);
	if (b && number(record, "size") >= 0)
		b->size = number(record, "size");
	return b;
}

static struct tally_blob *take_convert(struct tally *t, const json_t *record)
{
	const char *source = json_text(record, "source"), *diff_id = json_text(record, "diffId");
	char clean[sizeof((struct tally_blob *)0)->source];
	COPY(clean, source);
	struct tally_blob *b = diff_id ? find_diff_id(t, diff_id) : find_source(t, clean);
	if (!b && (b = add_blob(t)) && diff_id)
		COPY(b->diff_id, diff_id);
	if (!b || b->state > TALLY_CONVERTING)
		return NULL;
	memcpy(b->source, clean, sizeof clean);
	b->state = TALLY_CONVERTING;
	b->input_bytes = number(record, "inputBytes");
	b->input_size = number(record, "inputSize");
	t->is_converting = true;
	return b;
}

static void take_hash(struct tally *t, const json_t *record)
{
	COPY(t->hashed.source, json_text(record, "source"));
	t->hashed.input_bytes = number(record, "inputBytes");
	t->hashed.input_size = number(record, "inputSize");
	t->hashed.state = TALLY_HASHING;
}

static struct tally_blob *take_blob(struct tally *t, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *diff_id = json_text(record, "diffId");
	const char *kind = json_text(record, "kind");
	if (!digest)
		return NULL;
	if (kind && (strcmp(kind, "manifest") == 0 || strcmp(kind, "index") == 0)) {
		(void)need_manifest(t, digest);
		return NULL;
	}
	bool is_config = kind && strcmp(kind, "config") == 0;
	struct tally_blob *b = find_digest(t, digest);
	if (!b && diff_id)
		b = find_diff_id(t, diff_id);
	if (!b && !is_config)
		b = find_source(t, NULL);
	if (!b)
		b = need_digest(t, digest);
	if (!b)
		return NULL;
	COPY(b->digest, digest);
	b->is_config = is_config;
	b->size = number(record, "size");
	if (diff_id)
		COPY(b->diff_id, diff_id);
	if (b->state == TALLY_CONVERTING)
		b->state = TALLY_WAITING;
	return b;
}

static struct tally_blob *take_progress(struct tally *t, const json_t *record, int64_t now_ms)
{
	const char *digest = json_text(record, "digest");
	int64_t confirmed = number(record, "offset"), sent = number(record, "sentOffset");
	struct tally_blob *b = digest ? need_digest(t, digest) : NULL;
	if (!b || b->state == TALLY_DONE)
		return NULL;
	b->state = TALLY_PUSHING;
	b->size = number(record, "size");
	b->confirmed = confirmed;
	b->offset = sent > confirmed ? sent : confirmed > 0 ? confirmed : 0;
	if (b->size >= 0 && b->offset > b->size)
		b->offset = b->size;
	b->rate = number(record, "bytesPerSecond");
	b->rate_ms = now_ms;
	return b;
}

static struct tally_blob *take_retry(struct tally *t, const json_t *record, int64_t now_ms)
{
	const char *digest = json_text(record, "digest");
	bool is_blob = digest && !find_manifest(t, digest);
	struct tally_blob *b = is_blob ? need_digest(t, digest) : &t->registry;
	int64_t delay_ms = number(record, "delayMs");
	if (!b || b->state == TALLY_DONE)
		return NULL;
	b->state = TALLY_RETRYING;
	b->attempt = number(record, "attempt");
	b->max_attempts = number(record, "maxAttempts");
	b->retry_ms = now_ms + (delay_ms > 0 ? delay_ms : 0);
	b->rate = 0;
	COPY(b->reason, json_text(record, "reason"));
	return b;
}

static struct tally_blob *take_done(struct tally *t, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *how = json_text(record, "how");
	int64_t size = number(record, "size"), sent = number(record, "sentBytes");
	struct tally_blob *b = digest && how && size >= 0 ? need_digest(t, digest) : NULL;
	if (!b)
		return NULL;
	add(&b->sent_bytes, sent > 0 ? sent : 0);
	COPY(b->how, how);
	b->is_new |= strcmp(how, "uploaded") == 0;
	b->taken_ms = number(record, "ms");
	b->state = TALLY_DONE;
	b->size = b->offset = size;
	b->told_state = TALLY_WAITING; /* each record of it counts */
	return b;
}

/* Its tag joins those that it has. */
static void take_manifest(struct tally *t, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *ref = json_text(record, "ref");
	if (!digest || !ref)
		return;
	/* In the order in which they were put: the root comes last. */
	struct tally_manifest *found = need_manifest(t, digest), m;
	if (!found)
		return;
	struct tally_manifest *last = &t->manifests[t->manifest_extent.count - 1];
	m = *found;
	memmove(found, found + 1, (size_t)((char *)last - (char *)found));
	COPY(m.ref, ref);
	if (json_text(record, "platform"))
		COPY(m.platform, json_text(record, "platform"));
	const char *slash = strrchr(m.ref, '/'), *colon = strrchr(slash ? slash : m.ref, ':');
	if (colon && !strchr(m.ref, '@')) {
		size_t len = strlen(m.tags);
		snprintf(m.tags + len, sizeof m.tags - len, "%s%s", len ? ", " : "", colon + 1);
	}
	*last = m;
}

struct tally_blob *tally_take(struct tally *t, const json_t *record, int64_t now_ms)
{
	const char *event = json_text(record, "event");
	if (!event)
		return NULL;
	t->is_begun = true;
	if (strcmp(event, "retry") == 0)
		return take_retry(t, record, now_ms);
	t->registry.state = t->hashed.state = TALLY_WAITING; /* something went on */
	if (strcmp(event, "phase") == 0)
		take_phase(t, record);
	else if (strcmp(event, "hash") == 0)
		take_hash(t, record);
	else if (strcmp(event, "source") == 0)
		take_source(t, record);
	else if (strcmp(event, "image") == 0)
		take_image(t, record);
	else if (strcmp(event, "manifest") == 0)
		take_manifest(t, record);
	else if (strcmp(event, "layer") == 0)
		return take_layer(t, record);
	else if (strcmp(event, "convert") == 0)
		return take_convert(t, record);
	else if (strcmp(event, "blob") == 0 || strcmp(event, "known") == 0)
		return take_blob(t, record);
	else if (strcmp(event, "progress") == 0)
		return take_progress(t, record, now_ms);
	else if (strcmp(event, "done") == 0)
		return take_done(t, record);
	return NULL;
}

/* --- What it comes to --------------------------------------------------------------------------
 */

static void add_done(struct tally_total *sum, const struct tally_blob *b)
{
	sum->blobs_there++;
	add(&sum->bytes_done, b->size);
	if (b->is_config)
		return;
	sum->layers_there++;
	sum->uploaded += b->is_new;
	sum->existing += !b->is_new && strcmp(b->how, "exists") == 0;
	sum->mounted += !b->is_new && strcmp(b->how, "mounted") == 0;
}

struct tally_total tally_sum(const struct tally *t, int64_t now_ms)
{
	struct tally_total sum = {.left_s = -1};
	bool is_known = !t->is_converting;
	for (size_t i = 0; i < t->blob_extent.count; i++) {
		const struct tally_blob *b = &t->blobs[i];
		sum.layers += !b->is_config;
		add(&sum.bytes, b->size > 0 ? b->size : 0);
		add(&sum.bytes_there, b->offset);
		add(&sum.bytes_sent, b->sent_bytes);
		is_known &= b->size >= 0;
		if (b->state != TALLY_DONE && b->confirmed > 0) {
			sum.blobs_begun++;
			add(&sum.bytes_begun, b->confirmed);
		}
		if (b->state == TALLY_DONE)
			add_done(&sum, b);
		else if (b->state == TALLY_PUSHING && now_ms - b->rate_ms < TALLY_RATE_MS &&
			 b->rate > 0)
			add(&sum.rate, b->rate);
	}
	if (is_known && sum.rate > 0)
		sum.left_s = amount_seconds(sum.bytes - sum.bytes_there, sum.rate);
	return sum;
}

/* "layer.tar" says nothing: what says something is the folder, as in docker's archives. */
static const char *name_of_source(const char *source, size_t *len)
{
	const char *end = source + strlen(source), *from;
	static const char plain[] = "/layer.tar";
	if ((size_t)(end - source) > sizeof plain && strcmp(end - (sizeof plain - 1), plain) == 0)
		end -= sizeof plain - 1;
	for (from = end; from > source && from[-1] != '/'; from--)
		;
	*len = (size_t)(end - from);
	return from;
}

void tally_name(const struct tally_blob *b, char *text, size_t size)
{
	const char *digest = *b->digest ? b->digest : b->diff_id;
	size_t len = 0;
	if (*digest) {
		const char *colon = strchr(digest, ':');
		snprintf(text, size, "%.*s", SHORT_LEN, colon ? colon + 1 : digest);
	} else if (*b->source) {
		const char *name = name_of_source(b->source, &len);
		bool is_hex = len == DIGEST_HEX_LEN && strspn(name, "0123456789abcdef") == len;
		snprintf(text, size, "%.*s", is_hex ? SHORT_LEN : (int)len, name);
	} else {
		snprintf(text, size, "registry");
	}
}
