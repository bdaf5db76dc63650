/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "clock.h"
#include "event.h"
#include "json.h"
#include "pool.h"
#include "program.h"
#include "weight.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/xattr.h>
#endif

enum {
	READ_BLOCK = 256 * 1024,
	TELL_MS = 250,
	DEPTH_MAX = 64, /* folders in folders; two descriptors each */
	XATTRS_MAX = 64 * 1024, /* bytes of all names, the limit of Linux */
};

/* --- What the format forbids --------------------------------------------------------------------
 */

const char *folder_refuse(const char *name)
{
	for (const char *p = name; *p; p++) {
		if (*p == '\\')
			return "its name has a backslash";
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "its name has a control character";
	}
	json_t *string = json_string(name);
	json_decref(string);
	if (!string)
		return "its name is not UTF-8";
	if (strcmp(name, ".cog") == 0)
		return "the name .cog is reserved for the state of weights";
	if (strncmp(name, ".wh.", 4) == 0)
		return "a name that begins with .wh. means a removed file to a layer";
	return NULL;
}

static const char *refuse_type(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) ? NULL
	       : S_ISLNK(mode)		      ? "it is a symbolic link"
	       : S_ISFIFO(mode)		      ? "it is a FIFO"
	       : S_ISSOCK(mode)		      ? "it is a socket"
					      : "it is a device";
}

#ifdef __linux__

/* What the system gives every file, whoever made it: labels, and modes in the words of NFS. */
static bool is_of_system(const char *name)
{
	bool is_label = strncmp(name, "security.", 9) == 0 && strcmp(name, "security.capability") != 0;
	return is_label || strcmp(name, "system.nfs4_acl") == 0;
}

static int check_xattrs(int fd, const char *path, struct error *e)
{
	static const char acl[] = "system.posix_acl_";
	int rc = 0;
	ssize_t len = flistxattr(fd, NULL, 0);
	if (len == 0 || (len < 0 && errno == ENOTSUP))
		return 0;
	char *names = malloc(XATTRS_MAX);
	if (!names)
		return error_errno(e, "memory");
	len = flistxattr(fd, names, XATTRS_MAX);
	if (len < 0 && errno != ENOTSUP)
		rc = error_errno(e, "%s", path);
	for (ssize_t at = 0; rc == 0 && at < len; at += (ssize_t)strlen(names + at) + 1)
		if (!is_of_system(names + at))
			rc = error_set(e, STATUS_DATA, "%.300s: it has %s%.80s", path,
				       strncmp(names + at, acl, strlen(acl)) == 0
					       ? "an ACL: "
					       : "an extended attribute: ",
				       names + at);
	free(names);
	return rc;
}

#else

/* They are not read, and so are in no layer. */
static int check_xattrs(int fd, const char *path, struct error *e)
{
	(void)fd, (void)path, (void)e;
	return 0;
}

#endif

/* --- Finding the files --------------------------------------------------------------------------
 */

struct search {
	struct folder *folder;
	struct stat own;
	bool has_own;
	char path[PIN_PATH_MAX + 1];
	size_t len;
};

static int refuse(const struct search *s, const char *why, struct error *e)
{
	return error_set(e, STATUS_DATA, "%.300s: %s", s->path, why);
}

static int add_file(struct search *s, const struct stat *st, struct error *e)
{
	struct folder *f = s->folder;
	if (f->count == WEIGHT_FILES_MAX)
		return error_set(e, STATUS_DATA, "%s: more than %d files", f->path, WEIGHT_FILES_MAX);
	if (f->count == f->capacity) {
		size_t capacity = f->capacity ? 2 * f->capacity : 64;
		struct folder_file *files = realloc(f->files, capacity * sizeof *files);
		if (!files)
			return error_errno(e, "memory");
		f->files = files;
		f->capacity = capacity;
	}
	char *path = strdup(s->path);
	if (!path)
		return error_errno(e, "memory");
	struct folder_file *file = &f->files[f->count++];
	*file = (struct folder_file){.path = path, .size = st->st_size};
	pin_take(&file->pin, st);
	f->bytes += st->st_size;
	return 0;
}

static int search(struct search *s, int fd, int depth, struct error *e);

/* What the path of S names, in the folder DIR_FD. */
static int look_at(struct search *s, int dir_fd, const char *name, int depth, struct error *e)
{
	struct stat st;
	const char *why = folder_refuse(name);
	if (why)
		return refuse(s, why, e);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return refuse(s, strerror(errno), e);
	if ((why = refuse_type(st.st_mode)))
		return refuse(s, why, e);
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return refuse(s, strerror(errno), e);
	int rc = -1;
	if (fstat(fd, &st) || (why = refuse_type(st.st_mode)))
		refuse(s, why ? why : strerror(errno), e);
	else if (check_xattrs(fd, s->path, e) == 0)
		rc = S_ISDIR(st.st_mode) ? search(s, fd, depth + 1, e) : add_file(s, &st, e);
	close(fd);
	return rc;
}

static int search_entry(struct search *s, int dir_fd, const char *name, int depth, struct error *e)
{
	size_t before = s->len;
	size_t len = strlen(name) + (before ? 1 : 0);
	if (before + len > PIN_PATH_MAX)
		return error_set(e, STATUS_DATA, "%.300s: the path is too long", s->path);
	snprintf(s->path + before, sizeof s->path - before, "%s%s", before ? "/" : "", name);
	s->len += len;
	int rc = program_is_interrupted() ? program_interrupted(e) : look_at(s, dir_fd, name, depth, e);
	s->len = before;
	s->path[before] = '\0';
	return rc;
}

/* FD stays open. */
static int search(struct search *s, int fd, int depth, struct error *e)
{
	struct stat st;
	struct dirent *entry;
	int rc = 0;
	if (fstat(fd, &st) == 0 && s->has_own && st.st_dev == s->own.st_dev && st.st_ino == s->own.st_ino)
		return error_set(e, STATUS_DATA, "%.300s: the layout may not be there", *s->path ? s->path : s->folder->path);
	if (depth > DEPTH_MAX)
		return error_set(e, STATUS_DATA, "%.300s: more than %d folders in one another", s->path,
				 DEPTH_MAX);
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		if (copy >= 0)
			close(copy);
		return error_set(e, STATUS_DATA, "%.300s: %s", *s->path ? s->path : s->folder->path,
				 strerror(errno));
	}
	/* The end and a failure differ in errno alone. */
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = search_entry(s, fd, entry->d_name, depth, e);
	if (rc == 0 && errno)
		rc = error_set(e, STATUS_DATA, "%.300s: %s", *s->path ? s->path : s->folder->path,
			       strerror(errno));
	closedir(dir);
	return rc;
}

static int compare_paths(const void *a, const void *b)
{
	const struct folder_file *x = a, *y = b;
	return strcmp(x->path, y->path);
}

int folder_open(struct folder *f, const char *path, int own, struct error *e)
{
	struct search s = {.folder = f};
	*f = (struct folder){.path = path};
	f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0) {
		error_errno(e, "%s", path);
		e->status = STATUS_DATA;
		return -1;
	}
	s.has_own = own >= 0 && fstat(own, &s.own) == 0;
	if (search(&s, f->fd, 0, e))
		return -1;
	if (f->count == 0)
		return error_set(e, STATUS_DATA, "%s: there is no file in it", path);
	qsort(f->files, f->count, sizeof *f->files, compare_paths);
	return 0;
}

void folder_release(struct folder *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->files[i].path);
	free(f->files);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct folder){.fd = -1};
}

/* --- Reading them -------------------------------------------------------------------------------
 */

static int check_pin(const struct folder_file *file, int fd, struct error *e)
{
	struct stat st;
	if (fstat(fd, &st))
		return error_errno(e, "%.300s", file->path);
	const char *why = pin_compare(&file->pin, &st);
	return why ? error_set(e, STATUS_DATA, "%.300s: it %s while it was read", file->path, why) : 0;
}

static int open_file(const struct folder *f, const struct folder_file *file, struct error *e)
{
	int fd = pin_open(f->fd, file->path);
	if (fd < 0)
		return error_set(e, STATUS_DATA, "%.300s: it changed while it was read: %s", file->path,
				 strerror(errno));
	if (check_pin(file, fd, e) == 0)
		return fd;
	close(fd);
	return -1;
}

int folder_read(const struct folder *f, const struct folder_file *file, folder_reader *read_bytes,
		void *context, struct error *e)
{
	int rc = -1;
	int64_t left = file->size;
	char *block = malloc(READ_BLOCK);
	int fd = open_file(f, file, e);
	if (fd < 0)
		goto out;
	if (!block) {
		error_errno(e, "memory");
		goto out;
	}
	while (left > 0) {
		size_t want = left < READ_BLOCK ? (size_t)left : READ_BLOCK;
		ssize_t n = read(fd, block, want);
		if (program_is_interrupted()) {
			program_interrupted(e);
			goto out;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_errno(e, "read %.300s", file->path);
			goto out;
		}
		if (n == 0) {
			error_set(e, STATUS_DATA, "%.300s: it shrank while it was read", file->path);
			goto out;
		}
		if (read_bytes(context, block, (size_t)n, e))
			goto out;
		left -= n;
	}
	rc = check_pin(file, fd, e);
out:
	if (fd >= 0)
		close(fd);
	free(block);
	return rc;
}

int64_t folder_look(const struct folder *f, const struct folder_file *file, int64_t offset, void *data,
		    size_t len, struct error *e)
{
	int fd = open_file(f, file, e);
	if (fd < 0)
		return -1;
	ssize_t n;
	do
		n = pread(fd, data, len, (off_t)offset);
	while (n < 0 && errno == EINTR && !program_is_interrupted());
	if (n < 0)
		error_errno(e, "read %.300s", file->path);
	close(fd);
	return n;
}

/* --- Their digests ------------------------------------------------------------------------------
 */

struct hashing {
	const struct folder *folder;
	struct folder_file **order;
	bool is_told;
};

/* A file while it is hashed. */
struct hashed {
	const struct folder_file *file;
	struct hasher *hasher;
	bool is_told;
	int64_t bytes, last_ms; /* hashed so far; of the last record */
};

static int hash_bytes(void *context, const void *data, size_t len, struct error *e)
{
	struct hashed *h = context;
	hasher_update(h->hasher, data, len);
	h->bytes += (int64_t)len;
	int64_t now_ms = h->is_told ? clock_now_ms() : 0;
	if (now_ms - h->last_ms < TELL_MS)
		return 0;
	h->last_ms = now_ms;
	return event_hash(h->file->path, h->bytes, h->file->size, e);
}

static int hash_file(void *context, size_t number, struct error *e)
{
	const struct hashing *all = context;
	struct folder_file *file = all->order[number];
	struct hashed h = {.file = file, .hasher = hasher_new(), .is_told = all->is_told};
	h.last_ms = h.is_told ? clock_now_ms() : 0;
	int rc = folder_read(all->folder, file, hash_bytes, &h, e);
	hasher_final(h.hasher, &file->digest);
	hasher_free(h.hasher);
	return rc;
}

/* Large ones first, so that none is left to one processor while the others are done. */
static int compare_sizes(const void *a, const void *b)
{
	const struct folder_file *x = *(struct folder_file *const *)a, *y = *(struct folder_file *const *)b;
	return x->size != y->size ? (x->size < y->size ? 1 : -1) : strcmp(x->path, y->path);
}

int folder_hash(struct folder *f, int threads, bool is_told, struct error *e)
{
	struct hashing h = {.folder = f, .is_told = is_told, .order = calloc(f->count, sizeof(struct folder_file *))};
	size_t count = 0;
	if (!h.order)
		return error_errno(e, "memory");
	for (size_t i = 0; i < f->count; i++)
		if (!digest_is_set(&f->files[i].digest))
			h.order[count++] = &f->files[i];
	qsort(h.order, count, sizeof(struct folder_file *), compare_sizes);
	int rc = pool_run(threads, count, hash_file, &h, e);
	free(h.order);
	return rc;
}
