/* SPDX-License-Identifier: Apache-2.0 */
/* The files of uploads/, HEX being the sha256 of "registry/repository@digest":
 *
 *	HEX.json	the entry; its age is that of the file
 *	HEX.lock	locked (flock) by the process that uploads; it removes the file when done
 *	HEX.json.*.tmp	a new entry that is being written
 *
 * An entry holds the URL of a session, which may be all that it takes to write into it: mode 0600.
 * It is only read and written under its lock. */
#include "journal.h"

#include "buffer.h"
#include "file.h"
#include "json.h"
#include "program.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UPLOADS "uploads"
#define ENTRY ".json"
#define LOCK ".lock"
#define TEMPORARY ".tmp"

enum {
	ENTRY_MAX = 64 * 1024, /* bytes of a file */
	NAME_SIZE = DIGEST_HEX_LEN + 16,
	YOUNG_S = 60, /* a younger lock or temporary file is in use, as a rule */
};

#define OFFSET_MAX ((int64_t)1 << 50) /* a larger blob or chunk than any is */

static const char *const shapes[] = {
	[PLAN_ONE_BODY] = "oneBody", [PLAN_CHUNKS] = "chunks", [PLAN_LAST_IN_PUT] = "lastInPut"};

/* E is why nothing can be kept. */
static void warn(const struct error *e)
{
	static bool has_warned;
	if (!has_warned)
		program_warn("%s: the upload goes on, but if it is ended it can't be resumed",
			     e->text);
	has_warned = true;
}

/* Names the directory in an error about a file of it. */
static void warn_of_file(struct error *e)
{
	error_prefix(e, "state directory (" STATE_DIR_ENV "), " UPLOADS);
	warn(e);
}

static void init(struct journal *j, const struct reference *repository, const struct digest *d)
{
	char text[2 * REFERENCE_NAME_MAX + DIGEST_TEXT_LEN + 8];
	struct digest name;
	*j = (struct journal){.blob = *repository, .dir_fd = -1, .lock_fd = -1};
	j->blob.digest = *d;
	snprintf(text, sizeof text, "%s/%s@%s", repository->registry, repository->repository,
		 d->text);
	digest_of(&name, text, strlen(text));
	snprintf(j->name, sizeof j->name, "%s", digest_hex(&name));
}

static void release(struct journal *j)
{
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	j->dir_fd = j->lock_fd = -1;
}

/* 0 or 1 as journal_open(); after 0 without a lock nothing is kept. */
static int lock(struct journal *j, int64_t wait_ms)
{
	char name[NAME_SIZE];
	struct error e = {0};
	if (j->dir_fd < 0)
		return 0;
	snprintf(name, sizeof name, "%s" LOCK, j->name);
	int rc = state_lock(j->dir_fd, name, wait_ms, &j->lock_fd, &e);
	if (rc >= 0)
		return rc;
	warn_of_file(&e);
	release(j);
	return 0;
}

int journal_open(struct journal *j, const struct reference *repository, const struct digest *d)
{
	struct error e = {0};
	init(j, repository, d);
	j->dir_fd = state_open(UPLOADS, &e);
	if (j->dir_fd < 0)
		warn(&e);
	return lock(j, 0);
}

int journal_wait(struct journal *j, struct error *e)
{
	return lock(j, -1) ? program_interrupted(e) : 0;
}

void journal_close(struct journal *j)
{
	char name[NAME_SIZE];
	snprintf(name, sizeof name, "%s" LOCK, j->name);
	if (j->lock_fd >= 0)
		(void)unlinkat(j->dir_fd, name, 0);
	release(j);
}

/* Entries */

/* As much of a URL as the rest of the program relies on. */
static bool is_url(const char *text)
{
	if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
		return false;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return strlen(text) < LOCATION_SIZE;
}

static bool is_length(int64_t length)
{
	return length >= 0 && length <= OFFSET_MAX;
}

static int parse_shape(const char *text, enum plan_shape *shape)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		if (text && strcmp(text, shapes[i]) == 0) {
			*shape = (enum plan_shape)i;
			return 0;
		}
	}
	return -1;
}

static int parse_entry(const json_t *root, struct journal_entry *entry)
{
	const char *location = json_text(root, "location");
	*entry = (struct journal_entry){
		.offset = json_size(root, "offset"),
		.announced_min = json_size(root, "announcedMin"),
		.announced_max = json_size(root, "announcedMax"),
		.plan.chunk = json_size(root, "chunk"),
	};
	if (!location || !is_url(location) ||
	    parse_shape(json_text(root, "shape"), &entry->plan.shape))
		return -1;
	snprintf(entry->location, sizeof entry->location, "%s", location);
	if (!is_length(entry->offset) || !is_length(entry->announced_min) ||
	    !is_length(entry->announced_max) || !is_length(entry->plan.chunk))
		return -1;
	return entry->plan.shape == PLAN_ONE_BODY || entry->plan.chunk > 0 ? 0 : -1;
}

static int parse_blob(const json_t *root, struct reference *blob)
{
	const char *registry = json_text(root, "registry");
	const char *repository = json_text(root, "repository");
	*blob = (struct reference){0};
	if (!registry || !repository || strlen(registry) >= sizeof blob->registry ||
	    strlen(repository) >= sizeof blob->repository)
		return -1;
	snprintf(blob->registry, sizeof blob->registry, "%s", registry);
	snprintf(blob->repository, sizeof blob->repository, "%s", repository);
	return digest_parse(&blob->digest, json_text(root, "digest"));
}

/* Reads the file HEX.json, whatever its age. Returns 1 when it is an entry (BLOB says of what), 0
 * when it is none, -1 when it can't be read. */
static int read_entry(int dir_fd, const char *name, struct reference *blob,
		      struct journal_entry *entry, struct error *e)
{
	struct buffer text;
	struct error ignored;
	buffer_init(&text, ENTRY_MAX);
	errno = 0;
	int rc = file_read(dir_fd, name, &text, e);
	if (rc && errno == ENOENT)
		rc = 0;
	json_t *root = json_parse(name, text.data, text.len, &ignored);
	if (root && rc == 0)
		rc = parse_blob(root, blob) == 0 && parse_entry(root, entry) == 0;
	json_decref(root);
	buffer_release(&text);
	return rc;
}

static bool is_same(const struct reference *a, const struct reference *b)
{
	return strcmp(a->registry, b->registry) == 0 && strcmp(a->repository, b->repository) == 0;
}

/* Seconds since NAME was written; -1 when it is not there. */
static int64_t age_of(int dir_fd, const char *name)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -1;
	int64_t age = (int64_t)time(NULL) - (int64_t)st.st_mtime;
	return age > 0 ? age : 0;
}

bool journal_read(const struct journal *j, struct journal_entry *entry)
{
	char name[NAME_SIZE];
	struct reference blob;
	struct error e = {0};
	snprintf(name, sizeof name, "%s" ENTRY, j->name);
	if (j->lock_fd < 0 || age_of(j->dir_fd, name) > JOURNAL_AGE_S)
		return false;
	int rc = read_entry(j->dir_fd, name, &blob, entry, &e);
	if (rc < 0)
		warn_of_file(&e);
	return rc == 1 && is_same(&blob, &j->blob) && digest_equal(&blob.digest, &j->blob.digest);
}

void journal_write(const struct journal *j, const struct journal_entry *entry)
{
	char name[NAME_SIZE];
	struct error e = {0};
	if (j->lock_fd < 0)
		return;
	snprintf(name, sizeof name, "%s" ENTRY, j->name);
	json_t *root = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "registry", j->blob.registry,
		"repository", j->blob.repository, "digest", j->blob.digest.text, "location",
		entry->location, "offset", (json_int_t)entry->offset, "shape",
		shapes[entry->plan.shape], "chunk", (json_int_t)entry->plan.chunk, "announcedMin",
		(json_int_t)entry->announced_min, "announcedMax", (json_int_t)entry->announced_max);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int rc = text ? file_replace_private(j->dir_fd, name, text, strlen(text), &e)
		      : error_set(&e, STATUS_FAILED, "%s: a URL that is not UTF-8", name);
	if (rc)
		warn_of_file(&e);
	free(text);
	json_decref(root);
}

void journal_remove(const struct journal *j)
{
	char name[NAME_SIZE];
	snprintf(name, sizeof name, "%s" ENTRY, j->name);
	if (j->lock_fd >= 0)
		(void)unlinkat(j->dir_fd, name, 0);
}

/* The directory */

/* Calls DOING for every file of DIR_FD until it fails. */
typedef int doer(int dir_fd, const char *name, void *context);
static int each(int dir_fd, doer *doing, void *context, struct error *e)
{
	int rc = 0;
	/* A description of its own: it has a position. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		error_errno(e, UPLOADS);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	const struct dirent *file;
	while (rc == 0 && (file = readdir(dir)))
		rc = doing(dir_fd, file->d_name, context);
	closedir(dir);
	return rc;
}

/* What follows the HEX of NAME; "" when it is none of our files. */
static const char *suffix_of(const char *name)
{
	bool is_ours = strspn(name, "0123456789abcdef") == DIGEST_HEX_LEN;
	return is_ours ? name + DIGEST_HEX_LEN : "";
}

struct forgetting {
	const struct reference *repository;
	journal_visitor *visit;
	void *context;
	int count;
	struct error *e;
};

/* Under the lock: the process that had it before may have removed the entry. */
static int forget_locked(struct forgetting *f, const struct journal *j)
{
	char name[NAME_SIZE];
	struct journal_entry entry;
	struct reference blob;
	struct error ignored;
	snprintf(name, sizeof name, "%s" ENTRY, j->name);
	if (read_entry(j->dir_fd, name, &blob, &entry, &ignored) != 1)
		return 0;
	if (f->visit(&entry, &blob.digest, f->context, f->e))
		return -1;
	journal_remove(j);
	f->count++;
	return 0;
}

static int forget(int dir_fd, const char *name, void *context)
{
	struct forgetting *f = context;
	struct journal_entry entry;
	struct reference blob;
	struct journal j;
	struct error ignored;
	int rc = 0;
	if (strcmp(suffix_of(name), ENTRY) != 0 ||
	    read_entry(dir_fd, name, &blob, &entry, &ignored) != 1 ||
	    !is_same(&blob, f->repository))
		return 0;
	init(&j, &blob, &blob.digest);
	/* Else it was renamed: not the entry of what it holds. */
	if (strncmp(name, j.name, DIGEST_HEX_LEN) != 0)
		return 0;
	if (journal_open(&j, &blob, &blob.digest) == 1)
		program_warn("%s: another process is uploading it: left alone", blob.digest.text);
	else if (j.lock_fd >= 0)
		rc = forget_locked(f, &j);
	journal_close(&j);
	return rc;
}

int journal_forget(const struct reference *repository, journal_visitor *visit, void *context,
		   struct error *e)
{
	struct forgetting f = {
		.repository = repository, .visit = visit, .context = context, .e = e};
	int dir_fd = state_open(UPLOADS, e);
	if (dir_fd < 0)
		return -1;
	int rc = each(dir_fd, forget, &f, e);
	close(dir_fd);
	return rc ? -1 : f.count;
}

/* Whether the age of NAME is one at which it is to go. */
static bool is_over(int dir_fd, const char *name)
{
	const char *suffix = suffix_of(name);
	size_t len = strlen(suffix), end = strlen(TEMPORARY);
	if (strcmp(suffix, ENTRY) == 0)
		return age_of(dir_fd, name) > JOURNAL_AGE_S;
	bool is_temporary = len > end && strcmp(suffix + len - end, TEMPORARY) == 0;
	return (is_temporary || strcmp(suffix, LOCK) == 0) && age_of(dir_fd, name) > YOUNG_S;
}

static int sweep(int dir_fd, const char *name, void *context)
{
	char lock_name[NAME_SIZE];
	int lock_fd;
	struct error ignored;
	(void)context;
	if (!is_over(dir_fd, name))
		return 0;
	snprintf(lock_name, sizeof lock_name, "%.*s" LOCK, DIGEST_HEX_LEN, name);
	if (state_lock(dir_fd, lock_name, 0, &lock_fd, &ignored))
		return 0;
	/* Again: it may have been replaced before the lock was ours. */
	if (is_over(dir_fd, name))
		(void)unlinkat(dir_fd, name, 0);
	(void)unlinkat(dir_fd, lock_name, 0);
	close(lock_fd);
	return 0;
}

void journal_sweep(void)
{
	struct error ignored;
	int dir_fd = state_open(UPLOADS, &ignored);
	if (dir_fd < 0)
		return;
	(void)each(dir_fd, sweep, NULL, &ignored);
	close(dir_fd);
}
