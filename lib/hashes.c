/* SPDX-License-Identifier: Apache-2.0 */
/* A line a file: its digest, device, inode, size, the seconds and nanoseconds of its change and of that of
 * its inode, and then its path, in which there is no newline. The lines are sorted by path. */
#include "hashes.h"

#include "buffer.h"
#include "file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES (PIN_PATH_MAX + 300)
#define HASHES_MAX (64u << 20) /* bytes of all lines */

static int append(struct buffer *b, const struct folder_file *file, struct error *e)
{
	char line[LINE_MAX_BYTES];
	const struct pin *p = &file->pin;
	int len = snprintf(line, sizeof line,
			   "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
			   " %" PRId64 " %s\n",
			   file->digest.text, p->device, p->inode, p->size, p->modified_s, p->modified_ns,
			   p->changed_s, p->changed_ns, file->path);
	return buffer_append(b, line, (size_t)len, e);
}

int hashes_write(const char *path, const struct folder *f, struct error *e)
{
	struct buffer text;
	int rc = 0;
	buffer_init(&text, HASHES_MAX);
	for (size_t i = 0; rc == 0 && i < f->count; i++)
		rc = append(&text, &f->files[i], e);
	if (rc == 0)
		rc = file_replace_private(AT_FDCWD, path, text.data, text.len, e);
	buffer_release(&text);
	return rc;
}

/* Returns the path in LINE, which ends with a NUL, or NULL. */
static const char *parse(char *line, struct digest *d, struct pin *p)
{
	int64_t *const members[] = {&p->device,	    &p->inode,	    &p->size,	   &p->modified_s,
				    &p->modified_ns, &p->changed_s, &p->changed_ns};
	char *at = strchr(line, ' ');
	if (!at)
		return NULL;
	*at++ = '\0';
	if (digest_parse(d, line))
		return NULL;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		char *end;
		*members[i] = strtoll(at, &end, 10);
		if (end == at || *end != ' ')
			return NULL;
		at = end + 1;
	}
	return at;
}

static int compare(const void *path, const void *file)
{
	return strcmp(path, ((const struct folder_file *)file)->path);
}

static bool is_same(const struct pin *a, const struct pin *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified_s == b->modified_s && a->modified_ns == b->modified_ns &&
	       a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

static int take_lines(char *text, struct folder *f)
{
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) && *line) {
		struct digest digest;
		struct pin pin;
		const char *path = parse(line, &digest, &pin);
		if (!path)
			return -1;
		struct folder_file *file = bsearch(path, f->files, f->count, sizeof *f->files, compare);
		if (file && is_same(&file->pin, &pin))
			file->digest = digest;
	}
	return 0;
}

/* Whoever can write it chooses what a file's digest is said to be. */
static int check_owner(const char *path, struct error *e)
{
	struct stat st;
	if (lstat(path, &st))
		return error_errno(e, "%s", path);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(e, STATUS_DATA, "%s: others than you can have written it", path);
	return 0;
}

int hashes_read(const char *path, struct folder *f, struct error *e)
{
	struct buffer text;
	int rc = -1;
	buffer_init(&text, HASHES_MAX);
	if (check_owner(path, e) == 0 && file_read(AT_FDCWD, path, &text, e) == 0)
		rc = text.len == 0 || take_lines(text.data, f) == 0
			     ? 0
			     : error_set(e, STATUS_DATA, "%s: not a file of digests", path);
	buffer_release(&text);
	return rc;
}
