/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "clock.h"
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

ssize_t lines_wait_read(int fd, const char *name, void *data, size_t len, struct error *e)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		/* The time-out is for a signal that comes between the question and poll(). */
		if (!program_is_interrupted())
			(void)poll(&p, 1, 500);
		if (program_is_interrupted())
			return program_interrupted(e);
		if (!p.revents)
			continue;
		ssize_t n = read(fd, data, len);
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN)
			return error_errno(e, "read %s", name);
	}
}

/* Takes the whole lines of TEXT. Returns how many bytes they had, or -1. */
static ssize_t take_lines(char *text, size_t len, lines_taker *take, void *context,
			  struct error *e)
{
	char *from = text, *newline;
	while ((newline = memchr(from, '\n', len - (size_t)(from - text)))) {
		char next = newline[1];
		newline[1] = '\0';
		if (take(context, from, (size_t)(newline + 1 - from), e))
			return -1;
		newline[1] = next;
		from = newline + 1;
	}
	return from - text;
}

/* Waits for input or the next call of TICK, which is made when it is due. Returns whether there is
 * input, or -1. */
static int wait_ticking(int fd, int64_t *tick_ms, const struct lines_ticker *ticker, void *context,
			struct error *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = *tick_ms - clock_now_ms();
	int n = left > 0 && !program_is_interrupted() ? poll(&p, 1, (int)left) : poll(&p, 1, 0);
	if (program_is_interrupted())
		return program_interrupted(e);
	if (clock_now_ms() >= *tick_ms) {
		if (ticker->tick(context, e))
			return -1;
		*tick_ms = clock_now_ms() + ticker->interval_ms;
	}
	return n > 0;
}

int lines_read_ticking(int fd, const char *name, lines_taker *take,
		       const struct lines_ticker *ticker, void *context, struct error *e)
{
	static char text[LINES_MAX + 1];
	size_t len = 0;
	int64_t tick_ms = ticker ? clock_now_ms() + ticker->interval_ms : 0;
	for (;;) {
		int rc = ticker ? wait_ticking(fd, &tick_ms, ticker, context, e) : 1;
		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		ssize_t n = lines_wait_read(fd, name, text + len, LINES_MAX - len, e);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		ssize_t taken = take_lines(text, len, take, context, e);
		if (taken < 0)
			return -1;
		len -= (size_t)taken;
		memmove(text, text + taken, len);
		if (len == LINES_MAX)
			return error_set(e, STATUS_DATA, "%s: a line of more than %d bytes", name, LINES_MAX);
	}
	text[len] = '\0';
	return len ? take(context, text, len, e) : 0;
}

int lines_read(int fd, const char *name, lines_taker *take, void *context, struct error *e)
{
	return lines_read_ticking(fd, name, take, NULL, context, e);
}
