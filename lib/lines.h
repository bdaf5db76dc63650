/* SPDX-License-Identifier: Apache-2.0 */
/* lines: records and other lines from a pipe, each as soon as it is whole. */
#ifndef LINES_H
#define LINES_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINES_MAX (64 * 1024) /* bytes of a line, its newline included */

/* TEXT is one line with its newline, but for what the input ends in; a NUL follows. Returns 0, or -1,
 * which ends the reading. */
typedef int lines_taker(void *context, char *text, size_t len, struct error *e);

/* Reads FD to its end. NAME is for messages. Returns 0, or -1: what TAKE said, STATUS_DATA for a line
 * that is too long, STATUS_INTERRUPTED at a signal, STATUS_FAILED when FD can't be read. */
int lines_read(int fd, const char *name, lines_taker *take, void *context, struct error *e);

/* Something to do every INTERVAL_MS, input or not. What it returns is as of a lines_taker. */
struct lines_ticker {
	int (*tick)(void *context, struct error *e);
	int64_t interval_ms;
};

/* The same, with TICKER, which may be NULL. */
int lines_read_ticking(int fd, const char *name, lines_taker *take,
		       const struct lines_ticker *ticker, void *context, struct error *e);

/* Reads as read(2) does, but ends on a signal however it comes, and waits where FD does not block. */
ssize_t lines_wait_read(int fd, const char *name, void *data, size_t len, struct error *e);

#endif
