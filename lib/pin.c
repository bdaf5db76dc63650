/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#define MODIFIED(st) ((st)->st_mtimespec)
#define CHANGED(st) ((st)->st_ctimespec)
#else
#define MODIFIED(st) ((st)->st_mtim)
#define CHANGED(st) ((st)->st_ctim)
#endif

void pin_take(struct pin *p, const struct stat *st)
{
	*p = (struct pin){
		.device = (int64_t)st->st_dev,
		.inode = (int64_t)st->st_ino,
		.size = st->st_size,
		.modified_s = MODIFIED(st).tv_sec,
		.modified_ns = MODIFIED(st).tv_nsec,
		.changed_s = CHANGED(st).tv_sec,
		.changed_ns = CHANGED(st).tv_nsec,
	};
}

const char *pin_compare(const struct pin *p, const struct stat *st)
{
	struct pin now;
	pin_take(&now, st);
	if (now.size != p->size)
		return now.size > p->size ? "grew" : "shrank";
	bool is_same = S_ISREG(st->st_mode) && now.device == p->device && now.inode == p->inode &&
		       now.modified_s == p->modified_s && now.modified_ns == p->modified_ns &&
		       now.changed_s == p->changed_s && now.changed_ns == p->changed_ns;
	return is_same ? NULL : "changed";
}

bool pin_is_path(const char *path)
{
	if (strlen(path) > PIN_PATH_MAX)
		return false;
	for (const char *part = path;; part++) {
		size_t len = strcspn(part, "/");
		if (len == 0 || (len == 1 && *part == '.') || (len == 2 && strncmp(part, "..", 2) == 0))
			return false;
		part += len;
		if (!*part)
			return true;
	}
}

int pin_open(int dir_fd, const char *path)
{
	char part[PIN_PATH_MAX + 1];
	int at = dir_fd;
	const char *slash;
	if (!pin_is_path(path)) {
		errno = EINVAL;
		return -1;
	}
	while ((slash = strchr(path, '/'))) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		if (at != dir_fd)
			close(at);
		errno = saved;
		if (next < 0)
			return -1;
		at = next;
		path = slash + 1;
	}
	/* O_NONBLOCK: opening a FIFO must not hang before it can be refused. */
	int fd = openat(at, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int saved = errno;
	if (at != dir_fd)
		close(at);
	errno = saved;
	return fd;
}
