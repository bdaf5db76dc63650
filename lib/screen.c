/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include "columns.h"
#include "file.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	ABOVE_MAX = 4 << 20,
	FRAME_MAX = 1 << 20,
	PART_MAX = 4096, /* bytes of a part of a line */
	ROWS_DEFAULT = 24,
	COLS_DEFAULT = 80,
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

bool screen_is_possible(int fd)
{
	const char *term = variable("TERM");
	return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

void screen_init(struct screen *s, int fd)
{
	memset(s, 0, sizeof *s);
	s->fd = fd;
	s->has_colors = !variable("NO_COLOR");
	buffer_init(&s->above, ABOVE_MAX);
	buffer_init(&s->frame, FRAME_MAX);
	buffer_init(&s->shown, FRAME_MAX);
}

void screen_release(struct screen *s)
{
	buffer_release(&s->above);
	buffer_release(&s->frame);
	buffer_release(&s->shown);
}

/* What does not fit is left out. */
static void add(struct buffer *b, const char *text)
{
	struct error ignored = {0};
	(void)buffer_append(b, text, strlen(text), &ignored);
}

static size_t number(const char *name, size_t otherwise)
{
	const char *text = variable(name);
	long value = text ? strtol(text, NULL, 10) : 0;
	return value > 0 && value < 10000 ? (size_t)value : otherwise;
}

/* Asked for each frame: a process that is not in the foreground gets no SIGWINCH. */
static void measure(struct screen *s)
{
	struct winsize size = {0};
	bool is_known = ioctl(s->fd, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
	s->rows = is_known ? size.ws_row : number("LINES", ROWS_DEFAULT);
	s->cols = is_known ? size.ws_col : number("COLUMNS", COLS_DEFAULT);
	if (s->rows > SCREEN_LINES_MAX)
		s->rows = SCREEN_LINES_MAX;
}

void screen_begin(struct screen *s)
{
	measure(s);
	buffer_clear(&s->frame);
	s->lines = s->column = 0;
}

/* The last column stays empty: terminals differ in what they do after it. */
void screen_put(struct screen *s, const char *text)
{
	char part[PART_MAX];
	if (s->column + 1 >= s->cols)
		return;
	s->column += columns_cut(part, sizeof part, text, s->cols - 1 - s->column);
	add(&s->frame, part);
}

void screen_put_in(struct screen *s, enum screen_color color, const char *text)
{
	char code[16];
	bool is_colored = s->has_colors && color != SCREEN_PLAIN;
	snprintf(code, sizeof code, "\033[%dm", (int)color);
	if (is_colored)
		add(&s->frame, code);
	screen_put(s, text);
	if (is_colored)
		add(&s->frame, "\033[0m");
}

void screen_pad(struct screen *s, size_t column)
{
	while (s->column < column && s->column + 1 < s->cols) {
		add(&s->frame, " ");
		s->column++;
	}
}

void screen_end_line(struct screen *s)
{
	add(&s->frame, "\033[K\n");
	if (s->lines < SCREEN_LINES_MAX)
		s->widths[s->lines++] = s->column;
	s->column = 0;
}

void screen_add_above(struct screen *s, const char *line, size_t len)
{
	struct error ignored = {0};
	if (s->above.len + len > s->above.max)
		screen_show(s);
	(void)buffer_append(&s->above, line, len, &ignored);
}

/* Whether the terminal breaks lines when it becomes narrower: all but few do, which cut them off. */
static bool has_reflow(void)
{
	const char *term = variable("TERM");
	return variable("TMUX") ||
	       !(variable("XTERM_VERSION") || (term && strcmp(term, "linux") == 0));
}

/* How many rows up the block begins. */
static size_t height(const struct screen *s)
{
	size_t rows = 0;
	if (!has_reflow())
		return s->shown_lines;
	for (size_t i = 0; i < s->shown_lines; i++) {
		size_t wide = s->shown_widths[i];
		rows += wide > s->cols && s->cols ? (wide + s->cols - 1) / s->cols : 1;
	}
	return rows;
}

static bool is_writable(const struct screen *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static bool is_shown(const struct screen *s)
{
	return s->above.len == 0 && s->cols == s->shown_cols && s->frame.len == s->shown.len &&
	       (s->frame.len == 0 || memcmp(s->frame.data, s->shown.data, s->frame.len) == 0);
}

static void go_up(struct buffer *out, size_t rows)
{
	char text[32] = "\r";
	if (rows)
		snprintf(text, sizeof text, "\r\033[%zuA", rows);
	add(out, text);
}

/* Erases the block before it is drawn again, when what is there is not just replaced: a terminal has to
 * forget which lines it has broken. Line by line, as some terminals keep a screen that is erased as a
 * whole. */
static void erase(struct buffer *out, size_t rows)
{
	for (size_t i = 0; i < rows; i++)
		add(out, "\033[2K\n");
	go_up(out, rows);
}

/* A terminal may be narrower already than it says: what is too long then is cut, not wrapped. Both go into
 * one write. */
#define NO_WRAP "\033[?7l"
#define WRAP "\033[?7h"

static void write_frame(struct screen *s)
{
	struct buffer out;
	struct error ignored = {0};
	size_t rows = height(s), most = s->rows ? s->rows - 1 : 0;
	rows = rows < most ? rows : most;
	buffer_init(&out, ABOVE_MAX + 2 * FRAME_MAX);
	go_up(&out, rows);
	if (s->above.len || s->frame.len == 0 || s->cols != s->shown_cols)
		erase(&out, rows);
	if (s->above.len)
		(void)buffer_append(&out, s->above.data, s->above.len, &ignored);
	if (s->frame.len) {
		add(&out, NO_WRAP);
		(void)buffer_append(&out, s->frame.data, s->frame.len, &ignored);
		add(&out, WRAP);
	}
	add(&out, "\033[J");
	(void)file_write(s->fd, "terminal", out.data, out.len, &ignored);
	buffer_release(&out);
}

void screen_show(struct screen *s)
{
	if (is_shown(s) || !is_writable(s))
		return;
	write_frame(s);
	buffer_clear(&s->above);
	struct buffer shown = s->shown;
	s->shown = s->frame;
	s->frame = shown;
	s->shown_lines = s->lines;
	s->shown_cols = s->cols;
	memcpy(s->shown_widths, s->widths, sizeof s->widths);
}

void screen_lose(struct screen *s)
{
	s->shown_lines = 0;
	buffer_clear(&s->shown);
}

void screen_end(struct screen *s)
{
	screen_begin(s);
	if (s->shown_lines == 0 && s->above.len == 0)
		return;
	write_frame(s);
	buffer_clear(&s->above);
	screen_lose(s);
}
