/* SPDX-License-Identifier: Apache-2.0 */
#include "notices.h"

#include "amount.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	LABEL = 160,
	CHILDREN_MAX = 16,   /* manifests that are named in the end */
};

static void add(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What does not fit is left out. */
static void add(struct buffer *out, const char *format, ...)
{
	char text[1024];
	struct error ignored = {0};
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	(void)buffer_append(out, text, strlen(text), &ignored);
}

/* "sha256:" and as many digits as tell it from others. */
static const char *label(const struct tally_blob *b, char text[LABEL])
{
	const char *digest = *b->digest ? b->digest : b->diff_id;
	if (*digest)
		snprintf(text, LABEL, "%.19s", digest);
	else
		tally_name(b, text, LABEL);
	return text;
}

static void say_done(const struct tally_blob *b, struct buffer *out)
{
	char name[LABEL], bytes[AMOUNT_SIZE], taken[AMOUNT_SIZE];
	add(out, "%s  %s  %s", label(b, name), amount_of_bytes(b->size, bytes), b->how);
	if (strcmp(b->how, "uploaded") == 0 && b->taken_ms >= 0)
		add(out, " in %s", amount_taken(b->taken_ms, taken));
	add(out, "\n");
}

static void say_retry(const struct tally_blob *b, int64_t now_ms, struct buffer *out)
{
	char name[LABEL];
	int64_t left_s = b->retry_ms > now_ms ? (b->retry_ms - now_ms + 999) / 1000 : 0;
	add(out, "%s  retrying in %" PRId64 " s (%" PRId64 "/%" PRId64 ")%s%s\n", label(b, name),
	    left_s, b->attempt, b->max_attempts, *b->reason ? ": " : "", b->reason);
}

static void say_begun(const struct tally_blob *b, struct buffer *out)
{
	bool is_converted = b->state == TALLY_CONVERTING;
	char name[LABEL], bytes[AMOUNT_SIZE];
	int64_t size = is_converted ? b->input_size : b->size;
	add(out, "%s  ", label(b, name));
	if (size >= 0)
		add(out, "%s  ", amount_of_bytes(size, bytes));
	add(out, "%s\n", is_converted ? "converting" : "pushing");
}

static void say_going_on(const struct tally_blob *b, int64_t now_ms, struct buffer *out)
{
	bool is_converted = b->state == TALLY_CONVERTING;
	int64_t part = is_converted ? b->input_bytes : b->offset;
	int64_t size = is_converted ? b->input_size : b->size;
	char name[LABEL], a[AMOUNT_SIZE], c[AMOUNT_SIZE];
	add(out, "%s  %s%s", label(b, name), is_converted ? "converting " : "",
	    amount_of_bytes(part > 0 ? part : 0, a));
	if (size >= 0)
		add(out, " of %s", amount_of_bytes(size, c));
	if (!is_converted && b->rate > 0 && now_ms - b->rate_ms < TALLY_RATE_MS) {
		add(out, ", %s", amount_of_rate(b->rate, a));
		if (size >= 0)
			add(out, ", %s left", amount_left(amount_seconds(size - part, b->rate), c));
	}
	add(out, "\n");
}

void notices_changed(struct notices *n, struct tally_blob *b, int64_t now_ms, struct buffer *out)
{
	size_t len = out->len;
	if (b->state == TALLY_DONE && b->told_state != TALLY_DONE)
		say_done(b, out);
	else if ((b->state == TALLY_CONVERTING || b->state == TALLY_PUSHING) &&
		 b->told_state < b->state)
		say_begun(b, out);
	if (out->len == len)
		return;
	b->told_state = b->state;
	b->told_ms = n->told_ms = now_ms;
}

static void say_alive(const struct tally *t, int64_t now_ms, struct buffer *out)
{
	struct tally_total sum = tally_sum(t, now_ms);
	char a[AMOUNT_SIZE], b[AMOUNT_SIZE];
	if (sum.layers)
		add(out, "total: %zu of %zu layers, ", sum.layers_there, sum.layers);
	if (sum.bytes)
		add(out, "%s of %s, ", amount_of_bytes(sum.bytes_there, a),
		    amount_of_bytes(sum.bytes, b));
	add(out, "at work for %s\n", amount_left((now_ms - t->start_ms) / 1000, a));
}

void notices_tick(struct notices *n, struct tally *t, int64_t now_ms, struct buffer *out)
{
	for (size_t i = 0; i < t->blob_extent.count; i++) {
		struct tally_blob *b = &t->blobs[i];
		bool is_active = b->state == TALLY_CONVERTING || b->state == TALLY_PUSHING ||
				 b->state == TALLY_RETRYING;
		if (!is_active || !b->told_ms || now_ms - b->told_ms < n->interval_ms)
			continue;
		if (b->state == TALLY_RETRYING)
			say_retry(b, now_ms, out);
		else
			say_going_on(b, now_ms, out);
		b->told_ms = n->told_ms = now_ms;
	}
	if (t->is_begun && now_ms - n->told_ms >= n->interval_ms) {
		say_alive(t, now_ms, out);
		n->told_ms = now_ms;
	}
}

/* --- In the end --------------------------------------------------------------------------------
 */

/* What the push was about: of those that were put, the last with a tag. */
static const struct tally_manifest *find_root(const struct tally *t)
{
	const struct tally_manifest *root = NULL;
	for (size_t i = 0; i < t->manifest_extent.count; i++) {
		const struct tally_manifest *m = &t->manifests[i];
		if (*m->ref && (!root || *m->tags || !*root->tags))
			root = m;
	}
	return root;
}

static void say_children(const struct tally *t, const struct tally_manifest *root,
			 struct buffer *out)
{
	size_t said = 0, left = 0;
	for (size_t i = 0; i < t->manifest_extent.count; i++) {
		const struct tally_manifest *m = &t->manifests[i];
		const char *what = *m->tags ? m->tags : m->platform;
		if (m == root || !*m->ref)
			continue;
		if (said == CHILDREN_MAX) {
			left++;
			continue;
		}
		add(out, "  %.19s%s%s\n", m->digest, *what ? "  " : "", what);
		said++;
	}
	if (left)
		add(out, "  and %zu more\n", left);
}

void notices_published(const struct tally *t, int64_t now_ms, struct buffer *out)
{
	const struct tally_manifest *root = find_root(t);
	struct tally_total sum = tally_sum(t, now_ms);
	char a[AMOUNT_SIZE], b[AMOUNT_SIZE], c[AMOUNT_SIZE], rate[AMOUNT_SIZE];
	int64_t ms = now_ms - t->start_ms;
	if (!t->is_done || !root)
		return;
	const char *slash = strrchr(root->ref, '/');
	size_t host = slash ? (size_t)(slash - root->ref) : 0;
	add(out, "%.*s@%s\n", (int)(host + strcspn(root->ref + host, ":@")), root->ref,
	    root->digest);
	if (*root->tags)
		add(out, "  tags: %s\n", root->tags);
	const char *platform = *root->platform ? root->platform : t->source.platform;
	if (*platform)
		add(out, "  platform: %s\n", platform);
	say_children(t, root, out);
	add(out, "  layers: %zu new, %zu existing, %zu mounted\n", sum.uploaded, sum.existing,
	    sum.mounted);
	add(out, "  sent: %s of %s in %s", amount_of_bytes(sum.bytes_sent, a),
	    amount_of_bytes(sum.bytes_done, b), amount_taken(ms, c));
	if (sum.bytes_sent > 0 && ms > 0)
		add(out, ", %s",
		    amount_of_rate((int64_t)((double)sum.bytes_sent * 1000 / (double)ms), rate));
	add(out, "\n");
}

void notices_rest(const struct tally *t, const char *hint, struct buffer *out)
{
	struct tally_total sum = tally_sum(t, t->start_ms);
	char bytes[AMOUNT_SIZE];
	if (t->is_done || (sum.blobs_there == 0 && sum.blobs_begun == 0))
		return;
	add(out, "already in the registry: ");
	if (sum.blobs_there)
		add(out, "%zu blob%s, %s%s", sum.blobs_there, sum.blobs_there == 1 ? "" : "s",
		    amount_of_bytes(sum.bytes_done, bytes), sum.blobs_begun ? ", and " : "");
	if (sum.blobs_begun)
		add(out, "%s of %zu %s", amount_of_bytes(sum.bytes_begun, bytes), sum.blobs_begun,
		    sum.blobs_there ? "more" : sum.blobs_begun == 1 ? "blob" : "blobs");
	add(out, "%s\n", hint);
}
