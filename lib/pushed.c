/* SPDX-License-Identifier: Apache-2.0 */
#include "pushed.h"

#include "buffer.h"
#include "file.h"
#include "state.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PUSHED "pushed"
#define LOCK ".lock"

enum { LINE_MAX_LEN = DIGEST_TEXT_LEN + REFERENCE_NAME_MAX + 2, LOCK_WAIT_MS = 2000 };

static const size_t file_max = (size_t)LINE_MAX_LEN * (PUSHED_LINES_MAX + 1);

/* An open cache and the text of a host's file. */
struct cache {
	int dir_fd, lock_fd;
	char name[REFERENCE_NAME_MAX + 1];
	struct buffer text; /* empty where there is no file, or none that can be read */
};

static void cache_release(struct cache *c)
{
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	if (c->dir_fd >= 0)
		close(c->dir_fd);
	buffer_release(&c->text);
}

/* Returns 0, or -1. Call cache_release() in any case. */
static int cache_open(struct cache *c, const char *host, bool is_locked)
{
	struct error ignored = {0};
	*c = (struct cache){.dir_fd = -1, .lock_fd = -1};
	buffer_init(&c->text, file_max);
	state_host_file(host, "", c->name, sizeof c->name);
	c->dir_fd = state_open_cache(PUSHED, &ignored);
	if (c->dir_fd < 0 ||
	    (is_locked && state_lock(c->dir_fd, LOCK, LOCK_WAIT_MS, &c->lock_fd, &ignored)))
		return -1;
	if (file_read(c->dir_fd, c->name, &c->text, &ignored))
		buffer_clear(&c->text);
	return 0;
}

/* Cuts the line at TEXT, if it is one of D, and returns its repository; NULL else. *NEXT is where
 * the next line begins, NULL at the end. A last line without an end counts as none. */
static const char *take_line(char *text, const struct digest *d, char **next)
{
	char *end = strchr(text, '\n');
	*next = end ? end + 1 : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	if (strncmp(text, d->text, DIGEST_TEXT_LEN) != 0 || text[DIGEST_TEXT_LEN] != ' ')
		return NULL;
	return text + DIGEST_TEXT_LEN + 1;
}

/* Whether NAME, which comes from a file, is a repository. */
static bool is_repository(const char *registry, const char *name)
{
	char text[2 * REFERENCE_NAME_MAX + 3];
	struct reference r;
	struct error ignored;
	if (strlen(name) > REFERENCE_NAME_MAX)
		return false;
	snprintf(text, sizeof text, "%s/%s", registry, name);
	return reference_parse(&r, text, &ignored) == 0 && strcmp(r.repository, name) == 0;
}

bool pushed_find(const struct reference *repository, const struct digest *d,
		 char from[REFERENCE_NAME_MAX + 1])
{
	struct cache c;
	bool is_found = false;
	char *line = NULL, *next;
	if (cache_open(&c, repository->registry, false) == 0)
		line = c.text.data;
	for (; line; line = next) {
		const char *name = take_line(line, d, &next);
		if (!name || strcmp(name, repository->repository) == 0 ||
		    !is_repository(repository->registry, name))
			continue;
		snprintf(from, REFERENCE_NAME_MAX + 1, "%s", name);
		is_found = true;
	}
	cache_release(&c);
	return is_found;
}

/* How many whole lines there are, of *LEN bytes. */
static int count_lines(const struct buffer *text, size_t *len)
{
	int count = 0;
	const char *end = text->data ? strchr(text->data, '\n') : NULL;
	*len = 0;
	while (end) {
		count++;
		*len = (size_t)(end + 1 - text->data);
		end = strchr(end + 1, '\n');
	}
	return count;
}

/* Makes the text its newer half. */
static void drop_half(struct buffer *text, int count)
{
	size_t from = 0;
	for (int i = 0; i < count / 2; i++)
		from += strcspn(text->data + from, "\n") + 1;
	memmove(text->data, text->data + from, text->len - from + 1);
	text->len -= from;
}

static int append(const struct cache *c, const char *line, struct error *e)
{
	int fd = openat(c->dir_fd, c->name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(e, "%s", c->name);
	int rc = file_write(fd, c->name, line, strlen(line), e);
	close(fd);
	return rc;
}

static void add_line(struct cache *c, const char *line)
{
	struct error ignored = {0};
	size_t len;
	int count = count_lines(&c->text, &len);
	if (count > 0 && count < PUSHED_LINES_MAX && len == c->text.len) {
		(void)append(c, line, &ignored);
		return;
	}
	/* A new file, in place of one that is of no use too; or a line that a full disk has cut. */
	if (c->text.data)
		c->text.data[len] = '\0';
	c->text.len = len;
	if (count >= PUSHED_LINES_MAX)
		drop_half(&c->text, count);
	if (buffer_append(&c->text, line, strlen(line), &ignored) == 0)
		(void)file_replace_private(c->dir_fd, c->name, c->text.data, c->text.len, &ignored);
}

static bool has_line(const struct cache *c, const char *line)
{
	return c->text.data && strstr(c->text.data, line);
}

static void format_line(const struct reference *repository, const struct digest *d,
			char line[LINE_MAX_LEN + 2])
{
	snprintf(line, LINE_MAX_LEN + 2, "%s %s\n", d->text, repository->repository);
}

bool pushed_has(const struct reference *repository, const struct digest *d)
{
	char line[LINE_MAX_LEN + 2];
	struct cache c;
	format_line(repository, d, line);
	bool is_there = cache_open(&c, repository->registry, false) == 0 && has_line(&c, line);
	cache_release(&c);
	return is_there;
}

void pushed_add(const struct reference *repository, const struct digest *d)
{
	char line[LINE_MAX_LEN + 2];
	struct cache c;
	format_line(repository, d, line);
	if (cache_open(&c, repository->registry, true) == 0 && !has_line(&c, line))
		add_line(&c, line);
	cache_release(&c);
}
