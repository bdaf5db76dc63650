/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef PIPE_BUF
#define PIPE_BUF 512
#endif

struct line {
	char text[PIPE_BUF];
	size_t len;
};

static void add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends, or leaves the line as it was where the text does not fit (two bytes stay for "}\n"). */
static void add(struct line *l, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t room = sizeof l->text - 2 - l->len;
	int n = vsnprintf(l->text + l->len, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		l->len += (size_t)n;
}

/* TEXT, cleaned, as a JSON string, cut between two characters to SIZE bytes of output. */
static void quote(char *to, size_t size, const char *text)
{
	char clean[1024];
	snprintf(clean, sizeof clean, "%s", text);
	error_clean(clean);
	const char *end = to + size - 2; /* for the last quote and the NUL */
	*to++ = '"';
	for (const char *p = clean; *p;) {
		size_t len = 1;
		bool is_escaped = *p == '"' || *p == '\\';
		while (((unsigned char)p[len] & 0xc0) == 0x80)
			len++;
		if (to + is_escaped + len > end)
			break;
		if (is_escaped)
			*to++ = '\\';
		memcpy(to, p, len);
		to += len;
		p += len;
	}
	*to++ = '"';
	*to = '\0';
}

static void add_text(struct line *l, const char *key, const char *value)
{
	char quoted[1100];
	quote(quoted, sizeof quoted, value);
	add(l, ",\"%s\":%s", key, quoted);
}

static void begin(struct line *l, const char *event)
{
	l->len = 0;
	add(l, "{\"event\":\"%s\"", event);
}

static int end(struct line *l, struct error *e)
{
	l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
	return file_write(STDOUT_FILENO, "stdout", l->text, l->len, e);
}

int event_phase(enum phase phase, struct error *e)
{
	static const char *const names[] = {
		[PHASE_EXPORTING] = "exporting",
		[PHASE_CONVERTING] = "converting",
		[PHASE_PUSHING] = "pushing",
		[PHASE_DONE] = "done",
	};
	struct line l;
	begin(&l, "phase");
	add(&l, ",\"phase\":\"%s\"", names[phase]);
	return end(&l, e);
}

int event_convert(const char *source, int64_t input_bytes, int64_t input_size,
		  const struct digest *diff_id, struct error *e)
{
	struct line l;
	begin(&l, "convert");
	add_text(&l, "source", source);
	add(&l, ",\"inputBytes\":%" PRId64, input_bytes);
	if (input_size >= 0)
		add(&l, ",\"inputSize\":%" PRId64, input_size);
	if (diff_id)
		add(&l, ",\"diffId\":\"%s\"", diff_id->text);
	return end(&l, e);
}

int event_hash(const char *source, int64_t input_bytes, int64_t input_size, struct error *e)
{
	struct line l;
	begin(&l, "hash");
	add_text(&l, "source", source);
	add(&l, ",\"inputBytes\":%" PRId64 ",\"inputSize\":%" PRId64, input_bytes, input_size);
	return end(&l, e);
}

static void add_descriptor(struct line *l, const struct descriptor *d)
{
	add(l, ",\"digest\":\"%s\",\"size\":%" PRId64, d->digest.text, d->size);
	add_text(l, "mediaType", d->media_type);
}

int event_blob(const struct descriptor *d, const struct digest *diff_id, int64_t uncompressed_size,
	       struct error *e)
{
	struct line l;
	begin(&l, "blob");
	add_descriptor(&l, d);
	add(&l, ",\"kind\":\"%s\"", kind_name(d->kind));
	if (diff_id && digest_is_set(diff_id))
		add(&l, ",\"diffId\":\"%s\"", diff_id->text);
	if (uncompressed_size >= 0)
		add(&l, ",\"uncompressedSize\":%" PRId64, uncompressed_size);
	return end(&l, e);
}

static void add_names(struct line *l, const char *const *names, size_t count)
{
	add(l, ",\"names\":[");
	const char *comma = "";
	for (size_t i = 0; i < count; i++) {
		char quoted[600];
		quote(quoted, sizeof quoted, names[i]);
		if (l->len + strlen(quoted) + 8 > sizeof l->text)
			break;
		add(l, "%s%s", comma, quoted);
		comma = ",";
	}
	add(l, "]");
}

static int write_image(const char *event, const struct descriptor *d, const char *const *names,
		       size_t count, struct error *e)
{
	struct line l;
	begin(&l, event);
	if (d->kind == KIND_CONFIG)
		add(&l, ",\"configDigest\":\"%s\"", d->digest.text);
	else
		add_descriptor(&l, d);
	if (*d->platform)
		add_text(&l, "platform", d->platform);
	add_names(&l, names, count);
	return end(&l, e);
}

int event_source(const struct descriptor *d, const char *const *names, size_t count,
		 struct error *e)
{
	return write_image("source", d, names, count, e);
}

int event_layer(const struct descriptor *d, const struct digest *diff_id, struct error *e)
{
	struct line l;
	begin(&l, "layer");
	if (d)
		add_descriptor(&l, d);
	if (diff_id)
		add(&l, ",\"diffId\":\"%s\"", diff_id->text);
	return end(&l, e);
}

int event_image(const struct descriptor *d, const char *const *names, size_t count,
		struct error *e)
{
	return write_image("image", d, names, count, e);
}

int event_progress(const struct event_progress *p, struct error *e)
{
	struct line l;
	begin(&l, "progress");
	add(&l, ",\"digest\":\"%s\",\"size\":%" PRId64 ",\"offset\":%" PRId64, p->digest->text,
	    p->size, p->offset);
	add(&l, ",\"sentOffset\":%" PRId64 ",\"bytesPerSecond\":%" PRId64, p->sent_offset,
	    p->bytes_per_second);
	return end(&l, e);
}

int event_retry(const struct event_retry *r, struct error *e)
{
	struct line l;
	char reason[300];
	begin(&l, "retry");
	snprintf(reason, sizeof reason, "%.299s", r->reason);
	if (r->digest)
		add(&l, ",\"digest\":\"%s\"", r->digest->text);
	add(&l, ",\"attempt\":%" PRId64 ",\"maxAttempts\":%" PRId64, r->attempt, r->max_attempts);
	add(&l, ",\"delayMs\":%" PRId64, r->delay_ms);
	add_text(&l, "reason", reason);
	if (r->http_status)
		add(&l, ",\"httpStatus\":%d", r->http_status);
	return end(&l, e);
}

int event_done(const struct digest *digest, int64_t size, const char *how, int64_t sent_bytes,
	       int64_t ms, struct error *e)
{
	struct line l;
	begin(&l, "done");
	add(&l, ",\"digest\":\"%s\",\"size\":%" PRId64 ",\"how\":\"%s\"", digest->text, size, how);
	add(&l, ",\"sentBytes\":%" PRId64 ",\"ms\":%" PRId64, sent_bytes, ms);
	return end(&l, e);
}

int event_plan(const struct event_plan *p, struct error *e)
{
	struct line l;
	begin(&l, "plan");
	add(&l, ",\"digest\":\"%s\",\"size\":%" PRId64 ",\"how\":\"%s\"", p->digest->text, p->size,
	    p->how);
	add(&l, ",\"sentBytes\":%" PRId64 ",\"chunks\":%" PRId64, p->sent_bytes, p->chunks);
	if (p->ref)
		add_text(&l, "ref", p->ref);
	return end(&l, e);
}

int event_manifest(const struct descriptor *d, const char *ref, struct error *e)
{
	struct line l;
	begin(&l, "manifest");
	add_descriptor(&l, d);
	if (*d->platform)
		add_text(&l, "platform", d->platform);
	add_text(&l, "ref", ref);
	return end(&l, e);
}

int event_weight(const char *name, const struct digest *set_digest, const char *tag, int64_t size,
		 struct error *e)
{
	struct line l;
	begin(&l, "weight");
	add_text(&l, "name", name);
	add(&l, ",\"setDigest\":\"%s\"", set_digest->text);
	add_text(&l, "tag", tag);
	add(&l, ",\"size\":%" PRId64, size);
	return end(&l, e);
}

int event_error(const struct error *failure, const struct digest *digest, struct error *e)
{
	struct line l;
	char message[300];
	begin(&l, "error");
	snprintf(message, sizeof message, "%.299s", failure->text);
	add(&l, ",\"status\":%d", (int)failure->status);
	add_text(&l, "message", message);
	if (digest)
		add(&l, ",\"digest\":\"%s\"", digest->text);
	return end(&l, e);
}
