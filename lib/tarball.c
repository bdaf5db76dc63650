/* SPDX-License-Identifier: Apache-2.0 */
#include "tarball.h"

#include "program.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BLOCK = 1 << 20 };

struct tarball {
	struct archive *archive;
	int fd;
	const struct source *source; /* instead of FD; NULL for none */
	int64_t at; /* in SOURCE */
	unsigned char *block; /* READ_BLOCK bytes */
	size_t members, strange;
	int64_t size;	/* of the current file, as its header says */
	int64_t offset; /* how much of it was read */
};

/* A message of libarchive as an error. What the reader of the stream could not read is no fault of
 * the data. */
static int archive_error(struct tarball *t, struct error *e)
{
	if (program_is_interrupted())
		return program_interrupted(e);
	const char *text = archive_error_string(t->archive);
	bool is_system = archive_errno(t->archive) > 0 && archive_errno(t->archive) != EINVAL &&
			 archive_errno(t->archive) != EILSEQ;
	if (is_system)
		return error_set(e, STATUS_FAILED, "read the tar: %s", text ? text : "failed");
	if (text && strstr(text, "Unrecognized archive format"))
		return error_set(e, STATUS_DATA, "no tar: expected what docker save or podman save writes");
	return error_set(e, STATUS_DATA, "the tar is damaged or cut off: save it again: %s",
			 text ? text : "unreadable");
}

/* Not every filter that libarchive knows: some run programs found in PATH. */
static int enable_formats(struct archive *a)
{
	int rc = archive_read_support_format_tar(a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_support_format_empty(a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_support_filter_gzip(a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_support_filter_bzip2(a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_support_filter_xz(a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_support_filter_zstd(a);
	return rc;
}

/* Our own reader, because libarchive's goes on after a signal. */
static la_ssize_t read_block(struct archive *a, void *context, const void **data)
{
	struct tarball *t = context;
	ssize_t n = -1;
	errno = EINTR;
	while (n < 0 && errno == EINTR && !program_is_interrupted())
		n = read(t->fd, t->block, READ_BLOCK);
	if (n < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	*data = t->block;
	return n;
}

/* Skips in a file, but not past its end: reading finds out that it was cut. */
static la_int64_t skip_bytes(struct archive *a, void *context, la_int64_t request)
{
	struct tarball *t = context;
	struct stat st;
	(void)a;
	off_t here = lseek(t->fd, 0, SEEK_CUR);
	if (here < 0 || fstat(t->fd, &st) || !S_ISREG(st.st_mode) || request > st.st_size - here)
		return 0;
	return lseek(t->fd, (off_t)request, SEEK_CUR) < 0 ? 0 : request;
}

static la_ssize_t read_source(struct archive *a, void *context, const void **data)
{
	struct tarball *t = context;
	struct error why = {0};
	int64_t n = program_is_interrupted() ? program_interrupted(&why)
					     : source_read(t->source, t->at, t->block, READ_BLOCK, &why);
	if (n < 0)
		archive_set_error(a, EIO, "%s", why.text);
	else
		t->at += n;
	*data = t->block;
	return (la_ssize_t)n;
}

static la_int64_t skip_source(struct archive *a, void *context, la_int64_t request)
{
	struct tarball *t = context;
	(void)a;
	if (request > t->source->size - t->at)
		return 0;
	t->at += request;
	return request;
}

static struct tarball *open_tarball(int fd, const struct source *source, struct error *e)
{
	struct tarball *t = calloc(1, sizeof *t);
	if (!t || !(t->archive = archive_read_new()) || !(t->block = malloc(READ_BLOCK))) {
		error_errno(e, "memory");
		goto fail;
	}
	t->fd = fd;
	t->source = source;
	if (enable_formats(t->archive) != ARCHIVE_OK) {
		error_set(e, STATUS_FAILED, "libarchive lacks a format: %s",
			  archive_error_string(t->archive));
		goto fail;
	}
	if (archive_read_open2(t->archive, t, NULL, source ? read_source : read_block,
			       source ? skip_source : skip_bytes, NULL) != ARCHIVE_OK) {
		archive_error(t, e);
		goto fail;
	}
	return t;
fail:
	tarball_free(t);
	return NULL;
}

struct tarball *tarball_new(int fd, struct error *e)
{
	return open_tarball(fd, NULL, e);
}

struct tarball *tarball_new_source(const struct source *source, struct error *e)
{
	return open_tarball(-1, source, e);
}

void tarball_free(struct tarball *t)
{
	if (!t)
		return;
	archive_read_free(t->archive);
	free(t->block);
	free(t);
}

size_t tarball_strange(const struct tarball *t)
{
	return t->strange;
}

bool tarball_is_compressed(const struct tarball *t)
{
	return archive_filter_code(t->archive, 0) != ARCHIVE_FILTER_NONE;
}

/* Appends one component to the path of LEN bytes in TO; returns the new length, 0 when too long. */
static size_t append(char *to, size_t len, const char *part, size_t part_len)
{
	if (len + 1 + part_len >= TARBALL_PATH_SIZE)
		return 0;
	if (len)
		to[len++] = '/';
	memcpy(to + len, part, part_len);
	return len + part_len;
}

int tarball_clean(char *to, const char *base, const char *path, bool is_link)
{
	size_t len = strlen(base);
	if (*path == '/' || len >= TARBALL_PATH_SIZE)
		return -1;
	memcpy(to, base, len);
	for (const char *part = path; *part;) {
		size_t n = strcspn(part, "/");
		if (n == 2 && memcmp(part, "..", 2) == 0) {
			if (!is_link || len == 0)
				return -1;
			while (len && to[--len] != '/')
				;
		} else if (n && !(n == 1 && *part == '.')) {
			len = append(to, len, part, n);
			if (!len)
				return -1;
		}
		part += n;
		part += *part == '/';
	}
	to[len] = '\0';
	return 0;
}

/* A symlink is seen from the folder of its entry, a hard link from the top of the tar. */
static void resolve_link(struct tarball_member *m, struct archive_entry *entry)
{
	char base[TARBALL_PATH_SIZE] = "";
	const char *target = archive_entry_hardlink(entry);
	if (!target) {
		target = archive_entry_symlink(entry);
		const char *slash = strrchr(m->path, '/');
		if (slash)
			memcpy(base, m->path, (size_t)(slash - m->path));
	}
	m->is_link = true;
	m->size = 0;
	if (!target || tarball_clean(m->target, base, target, true))
		m->target[0] = '\0';
}

static bool is_strange(struct archive_entry *entry)
{
	mode_t type = archive_entry_filetype(entry);
	return (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK && !archive_entry_hardlink(entry)) ||
	       archive_entry_perm(entry) & (S_ISUID | S_ISGID | S_ISVTX);
}

/* Fills in M; returns 1 for what we want, 0 for what is passed over, -1 on error. */
static int read_entry(struct tarball *t, struct archive_entry *entry, struct tarball_member *m,
		      struct error *e)
{
	const char *path = archive_entry_pathname(entry);
	if (!path)
		path = archive_entry_pathname_utf8(entry);
	if (!path)
		return error_set(e, STATUS_DATA, "the tar has a member without a name");
	if (tarball_clean(m->path, "", path, false))
		return error_set(e, STATUS_DATA,
				 "the tar has a member '%.200s': a name must be relative and without ..",
				 path);
	m->is_link = false;
	m->target[0] = '\0';
	m->size = t->size = archive_entry_size(entry);
	t->offset = 0;
	t->strange += is_strange(entry);
	if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK) {
		resolve_link(m, entry);
		return 1;
	}
	if (archive_entry_filetype(entry) != AE_IFREG)
		return 0;
	if (m->size < 0)
		return error_set(e, STATUS_DATA, "the tar has a member '%.200s' of negative size", path);
	return 1;
}

int tarball_next(struct tarball *t, struct tarball_member *m, struct error *e)
{
	int is_wanted = 0;
	while (!is_wanted) {
		struct archive_entry *entry;
		int rc = archive_read_next_header(t->archive, &entry);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return archive_error(t, e);
		if (++t->members > TARBALL_MEMBERS_MAX)
			return error_set(e, STATUS_DATA, "the tar has more than %d members",
					 TARBALL_MEMBERS_MAX);
		is_wanted = read_entry(t, entry, m, e);
	}
	return is_wanted;
}

int tarball_read(struct tarball *t, const void **data, size_t *len, struct error *e)
{
	int64_t offset = 0;
	int rc = archive_read_data_block(t->archive, data, len, &offset);
	if (rc == ARCHIVE_EOF)
		return t->offset == t->size
			       ? 0
			       : error_set(e, STATUS_DATA, "the tar has a sparse or cut member");
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return archive_error(t, e);
	if (offset != t->offset)
		return error_set(e, STATUS_DATA, "the tar has a sparse member");
	t->offset += (int64_t)*len;
	return 1;
}
