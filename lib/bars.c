/* SPDX-License-Identifier: Apache-2.0 */
/* A line has columns, of which those on the right are left out where the terminal is narrow:
 *
 *	name          state       bar                sizes              rate        left
 *	aaaaaaaaaaaa  pushing     [=====>       ]  123.4 MB/456.7 MB  12.3 MB/s    27s
 */
#include "bars.h"

#include "amount.h"
#include "columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	NAME = 12,   /* columns of a short digest */
	STATE = 10,  /* "converting" */
	SIZES = 17,  /* "123.4 MB/456.7 MB" */
	RATE = 10,   /* "123.4 MB/s" */
	LEFT = 6,    /* "59m59s" */
	PERCENT = 4, /* "100%", in place of sizes */
	BAR_MIN = 8,
	BAR_MAX = 42,
	TEXT = 512,
};

/* Columns of each part; 0: not shown. A part stands one column, or two, after the one before it. */
struct frame {
	size_t name, bar, sizes, percent, rate, left;
	size_t bar_at, sizes_at, rate_at, left_at;
};

/* WIDEST, or the columns of B's name if it is a path and wider, within reason. */
static size_t wider_name(const struct tally_blob *b, size_t limit, size_t widest)
{
	char name[TEXT], cut[TEXT];
	if (b->state != TALLY_CONVERTING && b->state != TALLY_HASHING)
		return widest;
	tally_name(b, name, sizeof name);
	size_t wide = columns_cut(cut, sizeof cut, name, limit > NAME ? limit : NAME);
	return wide > widest ? wide : widest;
}

static size_t widest_name(const struct tally *t, size_t limit)
{
	size_t widest = wider_name(&t->hashed, limit, NAME);
	for (size_t i = 0; i < t->blob_extent.count; i++)
		widest = wider_name(&t->blobs[i], limit, widest);
	return widest;
}

static struct frame lay_out(const struct tally *t, size_t cols)
{
	size_t room = cols ? cols - 1 : 0, used;
	struct frame f = {.name = widest_name(t, room / 4)};
	used = f.name + 1 + STATE;
	if (room < used) {
		f.name = room > STATE + 5 ? room - STATE - 1 : room / 3;
		return f;
	}
	if (room >= used + 2 + SIZES) {
		f.sizes = SIZES;
		used += 2 + SIZES;
	} else if (room >= used + 1 + PERCENT) {
		f.percent = PERCENT;
		used += 1 + PERCENT;
	}
	if (room >= used + 2 + RATE) {
		f.rate = RATE;
		used += 2 + RATE;
	}
	if (f.rate && room >= used + 2 + LEFT) {
		f.left = LEFT;
		used += 2 + LEFT;
	}
	if (room >= used + 2 + BAR_MIN) {
		f.bar = room - used - 2;
		f.bar = f.bar > BAR_MAX ? BAR_MAX : f.bar;
	}
	f.bar_at = f.name + 1 + STATE + 1;
	f.sizes_at = f.bar ? f.bar_at + f.bar + 1 : f.bar_at;
	if (f.sizes && !f.bar)
		f.sizes_at++;
	f.rate_at = f.sizes_at + f.sizes + 2;
	f.left_at = f.rate_at + f.rate + 2;
	return f;
}

/* TEXT, so that it ends before column END. */
static void put_right(struct screen *s, size_t end, const char *text)
{
	size_t len = strlen(text);
	screen_pad(s, end > len ? end - len : 0);
	screen_put(s, text);
}

static void put_bar(struct screen *s, const struct frame *f, int64_t part, int64_t whole)
{
	char bar[BAR_MAX + 1];
	size_t inside, full;
	if (!f->bar || part < 0 || whole <= 0)
		return;
	inside = f->bar - 2;
	full = (size_t)((double)inside * (double)(part > whole ? whole : part) / (double)whole);
	memset(bar, ' ', f->bar);
	bar[0] = '[';
	memset(bar + 1, '=', full);
	if (full < inside)
		bar[1 + full] = '>';
	bar[f->bar - 1] = ']';
	bar[f->bar] = '\0';
	screen_pad(s, f->bar_at);
	screen_put(s, bar);
}

static void put_sizes(struct screen *s, const struct frame *f, int64_t part, int64_t whole)
{
	char a[AMOUNT_SIZE], b[AMOUNT_SIZE], text[2 * AMOUNT_SIZE + 8];
	if (f->percent && part >= 0 && whole > 0) {
		int percent = (int)(100.0 * (double)(part > whole ? whole : part) / (double)whole);
		snprintf(text, sizeof text, "%d%%", percent);
		put_right(s, f->sizes_at + f->percent, text);
	}
	if (!f->sizes || (part < 0 && whole < 0))
		return;
	if (part >= 0 && whole >= 0)
		snprintf(text, sizeof text, "%s/%s", amount_of_bytes(part, a),
			 amount_of_bytes(whole, b));
	else
		amount_of_bytes(whole >= 0 ? whole : part, text);
	put_right(s, f->sizes_at + f->sizes, text);
}

static void put_rate(struct screen *s, const struct frame *f, int64_t rate, int64_t left_bytes)
{
	char text[AMOUNT_SIZE];
	if (f->rate && rate > 0)
		put_right(s, f->rate_at + f->rate, amount_of_rate(rate, text));
	if (f->left && rate > 0 && left_bytes >= 0)
		put_right(s, f->left_at + f->left, amount_left(amount_seconds(left_bytes, rate), text));
}

static void put_retry(struct screen *s, const struct tally_blob *b, int64_t now_ms)
{
	char text[TEXT], wait[AMOUNT_SIZE];
	int64_t left_s = (b->retry_ms - now_ms + 999) / 1000;
	if (left_s > 99)
		snprintf(text, sizeof text, "retrying in %s", amount_left(left_s, wait));
	else if (left_s > 0)
		snprintf(text, sizeof text, "retrying in %" PRId64 " s", left_s);
	else
		snprintf(text, sizeof text, "retrying");
	size_t len = strlen(text);
	snprintf(text + len, sizeof text - len, " (%" PRId64 "/%" PRId64 ")", b->attempt,
		 b->max_attempts);
	screen_put_in(s, SCREEN_YELLOW, text);
}

/* While a blob is worked on. */
static void put_work(struct screen *s, const struct frame *f, const struct tally_blob *b,
		     int64_t now_ms)
{
	bool is_stale = now_ms - b->rate_ms >= TALLY_RATE_MS;
	switch (b->state) {
	case TALLY_CONVERTING:
	case TALLY_HASHING:
		screen_put(s, b->state == TALLY_HASHING ? "hashing" : "converting");
		put_bar(s, f, b->input_bytes, b->input_size);
		put_sizes(s, f, b->input_bytes, b->input_size);
		break;
	case TALLY_PUSHING:
		screen_put(s, "pushing");
		put_bar(s, f, b->offset, b->size);
		put_sizes(s, f, b->offset, b->size);
		put_rate(s, f, is_stale ? 0 : b->rate, b->size - b->offset);
		break;
	case TALLY_RETRYING:
		put_retry(s, b, now_ms);
		/* It may have taken the place of the sizes. */
		if (f->sizes && s->column < f->sizes_at && b->size >= 0)
			put_sizes(s, f, b->offset, b->size);
		break;
	default:
		screen_put(s, "waiting");
		put_sizes(s, f, -1, b->size);
	}
}

static void draw_blob(struct screen *s, const struct frame *f, const struct tally_blob *b,
		      int64_t now_ms)
{
	char name[TEXT], cut[TEXT];
	tally_name(b, name, sizeof name);
	(void)columns_cut(cut, sizeof cut, name, f->name);
	screen_put(s, cut);
	screen_pad(s, f->name + 1);
	if (b->state != TALLY_DONE) {
		put_work(s, f, b, now_ms);
	} else {
		screen_put_in(s, SCREEN_GREEN, strcmp(b->how, "uploaded") == 0 ? "done" : b->how);
		put_sizes(s, f, -1, b->size);
	}
	screen_end_line(s);
}

static bool is_active(const struct tally_blob *b)
{
	return b->state != TALLY_WAITING && b->state != TALLY_DONE;
}

/* TEXT, or nothing of it. */
static bool put_whole(struct screen *s, const char *text)
{
	if (s->column + strlen(text) >= s->cols)
		return false;
	screen_put(s, text);
	return true;
}

/* What the lines do not show: SHOWN of the active ones are there. */
static void draw_others(const struct tally *t, struct screen *s, size_t shown)
{
	size_t counts[5] = {0};
	static const char *const names[5] = {"more at work", "done", "exist", "mounted", "waiting"};
	for (size_t i = 0; i < t->blob_extent.count; i++) {
		const struct tally_blob *b = &t->blobs[i];
		if (is_active(b))
			counts[0]++;
		else if (b->state == TALLY_WAITING)
			counts[4]++;
		else
			counts[strcmp(b->how, "exists") == 0	? 2
			       : strcmp(b->how, "mounted") == 0 ? 3
								: 1]++;
	}
	counts[0] -= shown;
	const char *comma = "others: ";
	for (size_t i = 0; i < 5; i++) {
		char part[64];
		if (!counts[i])
			continue;
		snprintf(part, sizeof part, "%s%zu %s", comma, counts[i], names[i]);
		(void)put_whole(s, part);
		comma = ", ";
	}
	screen_end_line(s);
}

/* Of what does not fit the less important is left out. */
static void draw_total(const struct tally *t, struct screen *s, int64_t now_ms)
{
	struct tally_total sum = tally_sum(t, now_ms);
	char a[AMOUNT_SIZE], b[AMOUNT_SIZE], text[2 * AMOUNT_SIZE + 32];
	snprintf(text, sizeof text, "total: %zu of %zu layer%s", sum.layers_there, sum.layers,
		 sum.layers == 1 ? "" : "s");
	screen_put(s, text);
	snprintf(text, sizeof text, ", %s of %s", amount_of_bytes(sum.bytes_there, a),
		 amount_of_bytes(sum.bytes, b));
	if (!put_whole(s, text)) {
		snprintf(text, sizeof text, ", %d%%",
			 sum.bytes ? (int)(100.0 * (double)sum.bytes_there / (double)sum.bytes)
				   : 0);
		(void)put_whole(s, text);
	}
	snprintf(text, sizeof text, ", %s", amount_of_rate(sum.rate, a));
	if (sum.rate > 0)
		(void)put_whole(s, text);
	snprintf(text, sizeof text, ", %s left", amount_left(sum.left_s, a));
	if (sum.left_s >= 0)
		(void)put_whole(s, text);
	screen_end_line(s);
}

void bars_draw(const struct tally *t, struct screen *s, int64_t now_ms)
{
	const struct tally_blob *others[] = {&t->registry, &t->hashed};
	size_t count = t->blob_extent.count, active = 0;
	screen_begin(s);
	if (s->rows < 2)
		return;
	struct frame f = lay_out(t, s->cols);
	/* The last row is where the cursor is, the one above has the whole. */
	size_t room = s->rows - 2;
	for (size_t i = 0; i < 2 && room; i++) {
		if (!is_active(others[i]))
			continue;
		draw_blob(s, &f, others[i], now_ms);
		room--;
	}
	bool is_cut = count > room;
	room -= is_cut && room;
	for (size_t i = 0; i < count && room; i++) {
		if (is_cut && !is_active(&t->blobs[i]))
			continue;
		draw_blob(s, &f, &t->blobs[i], now_ms);
		active += is_active(&t->blobs[i]);
		room--;
	}
	if (is_cut && s->lines + 2 < s->rows)
		draw_others(t, s, active);
	if (count)
		draw_total(t, s, now_ms);
}
