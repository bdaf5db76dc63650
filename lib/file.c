/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BLOCK = 64 * 1024 };

int file_open(int dirfd, const char *name, int64_t *size, struct error *e)
{
	/* O_NONBLOCK: opening a FIFO must not hang before it can be refused. */
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		int saved = errno;
		error_errno(e, "%s", name);
		errno = saved;
		return -1;
	}
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return error_set(e, STATUS_DATA, "%s: not a regular file", name);
	}
	if (size)
		*size = st.st_size;
	return fd;
}

int file_read(int dirfd, const char *name, struct buffer *out, struct error *e)
{
	int64_t size = 0;
	int fd = file_open(dirfd, name, &size, e);
	if (fd < 0)
		return -1;
	int rc = -1;
	if ((uint64_t)size > out->max - out->len) {
		error_set(e, STATUS_DATA, "%s: larger than %zu bytes", name, out->max);
		goto out;
	}
	char block[READ_BLOCK];
	ssize_t n;
	while ((n = read(fd, block, sizeof block)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_errno(e, "%s", name);
			goto out;
		}
		if (buffer_append(out, block, (size_t)n, e))
			goto out;
	}
	rc = 0;
out:
	close(fd);
	return rc;
}

int file_write(int fd, const char *name, const void *data, size_t len, struct error *e)
{
	const char *from = data;
	while (len) {
		ssize_t n = write(fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(e, "write %s", name);
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What both ways of replacing share. */
struct replacement {
	int dirfd;
	const char *name;
	mode_t mode;
};

static int replace(const struct replacement *r, const void *data, size_t len, struct error *e)
{
	const char *name = r->name;
	int dirfd = r->dirfd;
	char temporary[1024];
	int need = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", name, (long)getpid());
	if (need < 0 || (size_t)need >= sizeof temporary)
		return error_set(e, STATUS_FAILED, "%s: name too long", name);
	int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, r->mode);
	if (fd < 0)
		return error_errno(e, "create %s", temporary);
	int rc = file_write(fd, temporary, data, len, e);
	if (rc == 0 && fsync(fd))
		rc = error_errno(e, "write %s", temporary);
	if (close(fd) && rc == 0)
		rc = error_errno(e, "write %s", temporary);
	if (rc == 0 && renameat(dirfd, temporary, dirfd, name))
		rc = error_errno(e, "rename %s", name);
	if (rc)
		unlinkat(dirfd, temporary, 0);
	return rc;
}

int file_replace(int dirfd, const char *name, const void *data, size_t len, struct error *e)
{
	const struct replacement r = {dirfd, name, 0644};
	return replace(&r, data, len, e);
}

int file_replace_private(int dirfd, const char *name, const void *data, size_t len,
			 struct error *e)
{
	const struct replacement r = {dirfd, name, 0600};
	return replace(&r, data, len, e);
}

int file_lock(int dirfd, const char *name, struct error *e)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return error_errno(e, "open %s", name);
	if (flock(fd, LOCK_EX) == 0)
		return fd;
	if (errno == EINTR)
		error_set(e, STATUS_INTERRUPTED, "interrupted");
	else
		error_errno(e, "lock %s", name);
	close(fd);
	return -1;
}
