/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void source_file(struct source *s, int fd, int64_t size)
{
	*s = (struct source){.fd = fd, .size = size, .length = size};
}

int source_open(struct source *s, int root_fd, struct error *e)
{
	s->fd = pin_open(root_fd, s->path);
	if (s->fd < 0)
		return error_set(e, STATUS_DATA, "%.300s: it changed since it was packed: %s", s->path,
				 strerror(errno));
	return source_check(s, e);
}

void source_release(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->head);
	free(s->path);
	*s = (struct source){.fd = -1};
}

/* Both read what is in one piece, like pread(). */
static int64_t read_memory(const struct source *s, int64_t offset, void *data, size_t len)
{
	int64_t head_len = (int64_t)s->head_len;
	int64_t left = (offset < head_len ? head_len : s->size) - offset;
	if ((int64_t)len > left)
		len = (size_t)left;
	if (offset < head_len)
		memcpy(data, s->head + offset, len);
	else
		memset(data, 0, len);
	return (int64_t)len;
}

static int64_t read_file(const struct source *s, int64_t offset, void *data, size_t len, struct error *e)
{
	int64_t left = s->length - offset;
	ssize_t n;
	if ((int64_t)len > left)
		len = (size_t)left;
	do
		n = pread(s->fd, data, len, (off_t)(s->offset + offset));
	while (n < 0 && errno == EINTR);
	if (n < 0 && !s->is_reference)
		return error_set(e, STATUS_FAILED, "%s", strerror(errno));
	return n < 0 ? error_errno(e, "%.300s", s->path) : n;
}

int64_t source_read(const struct source *s, int64_t offset, void *data, size_t len, struct error *e)
{
	size_t done = 0;
	while (done < len && offset < s->size) {
		int64_t at = offset - (int64_t)s->head_len;
		bool is_of_file = at >= 0 && at < s->length;
		int64_t n = is_of_file ? read_file(s, at, (char *)data + done, len - done, e)
				       : read_memory(s, offset, (char *)data + done, len - done);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
		offset += n;
	}
	return (int64_t)done;
}

int source_check(const struct source *s, struct error *e)
{
	struct stat st;
	if (!s->is_reference)
		return 0;
	if (fstat(s->fd, &st))
		return error_errno(e, "%.300s", s->path);
	const char *why = pin_compare(&s->pin, &st);
	return why ? error_set(e, STATUS_DATA, "%.300s: it %s since it was packed: pack it again", s->path, why)
		   : 0;
}
