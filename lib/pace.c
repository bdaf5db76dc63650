/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include "clock.h"
#include "file.h"
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_MS = 250,	   /* between two looks at the file */
	GRANTS_PER_S = 20, /* of a sender: after a change the old rate holds for one */
	CREDIT_MS = 100,   /* of time in which nobody sent; a sleep takes longer than it should */
	AHEAD_MAX_MS = 600000, /* a moment further away is none: the file is damaged */
	NAP_MS = 200,	       /* a signal may come just before a sleep begins */
	TEXT_SIZE = 32,
};

int pace_parse(const char *name, const char *text, int64_t *rate, struct error *e)
{
	return program_bytes(name, text, 0, " a second", rate, e);
}

int pace_init(struct pace *p, struct error *e)
{
	const char *dir = program_env("COG_RUN_DIR"), *text = program_env(PACE_ENV);
	*p = (struct pace){0};
	if (text && pace_parse(PACE_ENV, text, &p->rate, e))
		return -1;
	if (dir && strlen(dir) + sizeof PACE_FILE + 16 < sizeof p->path)
		snprintf(p->path, sizeof p->path, "%s/" PACE_FILE, dir);
	return 0;
}

/* What is being written just now, or is no number, changes nothing. */
static void look(struct pace *p, int64_t now)
{
	char text[TEXT_SIZE];
	struct error ignored;
	if (!*p->path || (p->read_ms && now - p->read_ms < LOOK_MS))
		return;
	p->read_ms = now;
	int fd = file_open(AT_FDCWD, p->path, NULL, &ignored);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	(void)pace_parse("", text, &p->rate, &ignored);
}

/* Opens and locks the file with the moment, and reads it; -1 where nothing is shared. */
static int open_moment(struct pace *p)
{
	char path[sizeof p->path + 8];
	struct error ignored;
	if (!*p->path)
		return -1;
	snprintf(path, sizeof path, "%s.next", p->path);
	int fd = file_lock(AT_FDCWD, path, &ignored);
	if (fd >= 0 && pread(fd, &p->next_ms, sizeof p->next_ms, 0) != (ssize_t)sizeof p->next_ms)
		p->next_ms = 0;
	return fd;
}

/* Takes the next bytes, and returns when they may leave. */
static int64_t reserve(struct pace *p, int64_t now)
{
	int fd = open_moment(p);
	if (p->next_ms < now - CREDIT_MS || p->next_ms > now + AHEAD_MAX_MS)
		p->next_ms = now - CREDIT_MS;
	int64_t start = p->next_ms;
	p->granted = p->rate > GRANTS_PER_S ? p->rate / GRANTS_PER_S : 1;
	p->next_ms = start + (p->granted * 1000 + p->rate - 1) / p->rate;
	if (fd >= 0) {
		ssize_t ignored = pwrite(fd, &p->next_ms, sizeof p->next_ms, 0);
		(void)ignored;
		close(fd);
	}
	return start;
}

static bool sleep_until(int64_t moment)
{
	bool has_slept = false;
	for (int64_t left; (left = moment - clock_now_ms()) > 0;) {
		int64_t nap = left < NAP_MS ? left : NAP_MS;
		struct timespec t = {.tv_nsec = (long)nap * 1000000};
		(void)nanosleep(&t, NULL);
		has_slept = true;
		if (program_is_interrupted())
			break;
	}
	return has_slept;
}

size_t pace_take(struct pace *p, size_t len, bool *has_waited)
{
	int64_t now = clock_now_ms();
	look(p, now);
	if (p->rate == 0)
		return len;
	if (p->granted == 0 && sleep_until(reserve(p, now)))
		*has_waited = true;
	size_t n = (int64_t)len < p->granted ? len : (size_t)p->granted;
	p->granted -= (int64_t)n;
	return n;
}
