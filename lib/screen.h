/* SPDX-License-Identifier: Apache-2.0 */
/* screen: a block of lines at the end of a terminal's output that is drawn again and again in
 * place, and lines that scroll away above it.
 *
 * The cursor stays below the block, at the left; nothing of the terminal's state is changed but
 * within a frame, the cursor is never hidden. So there is nothing to restore, however the process
 * ends: what is written next, by whomever, begins on a line of its own. A frame is one write, and
 * only what differs from the last frame is written at all. */
#ifndef SCREEN_H
#define SCREEN_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCREEN_LINES_MAX = 512 };

enum screen_color { SCREEN_PLAIN = 0, SCREEN_GREEN = 32, SCREEN_YELLOW = 33 };

struct screen {
	int fd;
	bool has_colors;
	size_t rows, cols; /* of the terminal, as of the last screen_begin() */
	struct buffer above, frame, shown;
	/* Of the frame that is made. */
	size_t lines, column;
	size_t widths[SCREEN_LINES_MAX];
	/* Of the one that is shown. */
	size_t shown_lines, shown_cols;
	size_t shown_widths[SCREEN_LINES_MAX];
};

/* Whether lines can be drawn in place on FD: a terminal whose TERM does not say otherwise. */
bool screen_is_possible(int fd);

void screen_init(struct screen *s, int fd);
void screen_release(struct screen *s);

/* Begins a frame, for the size that the terminal has now. It may have up to rows - 1 lines. */
void screen_begin(struct screen *s);

/* Adds to the line what of TEXT fits into it. */
void screen_put(struct screen *s, const char *text);

/* The same in a color, unless the user wants none. */
void screen_put_in(struct screen *s, enum screen_color color, const char *text);

/* Fills the line with spaces up to COLUMN. */
void screen_pad(struct screen *s, size_t column);

void screen_end_line(struct screen *s);

/* A line of LEN bytes, with its newline, that goes above the block with the next frame. */
void screen_add_above(struct screen *s, const char *line, size_t len);

/* Writes the frame. One that the terminal would not take now (Ctrl-S) is left out. */
void screen_show(struct screen *s);

/* The block is no longer where it was drawn: the next frame begins where the cursor is. */
void screen_lose(struct screen *s);

/* Erases the block. What is above it stays. */
void screen_end(struct screen *s);

#endif
