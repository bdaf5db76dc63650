/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe is a JSON object with just these members, all of them:
 *
 *   head                the first bytes of the blob, in hex
 *   file                the path below the folder
 *   offset, length      the bytes of the file that come then
 *   padding             how many zeros come last
 *   device, inode, size what the file was; two's complement where they do not fit
 *   modified, changed   its times, each a list of seconds and nanoseconds
 */
#include "recipe.h"

#include "file.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECIPES_DIR "recipes"
#define RECIPE_MAX (2 * RECIPE_HEAD_MAX + (64u << 10)) /* bytes of a recipe */

enum { MEMBERS = 10 };

static const char digits[] = "0123456789abcdef";

/* --- The text -----------------------------------------------------------------------------------
 */

static char *to_hex(const char *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	for (size_t i = 0; text && i < len; i++) {
		text[2 * i] = digits[(unsigned char)data[i] >> 4];
		text[2 * i + 1] = digits[(unsigned char)data[i] & 15];
	}
	if (text)
		text[2 * len] = '\0';
	return text;
}

char *recipe_format(const struct source *s)
{
	const struct pin *p = &s->pin;
	char *head = to_hex(s->head, s->head_len);
	json_t *root = json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:[II], s:[II]}", "head", head, "file", s->path,
		"offset", (json_int_t)s->offset, "length", (json_int_t)s->length, "padding",
		(json_int_t)(s->size - s->length) - (json_int_t)s->head_len, "device",
		(json_int_t)p->device, "inode", (json_int_t)p->inode, "size", (json_int_t)p->size,
		"modified", (json_int_t)p->modified_s, (json_int_t)p->modified_ns, "changed",
		(json_int_t)p->changed_s, (json_int_t)p->changed_ns);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	free(head);
	return text;
}

/* Returns 0, or -1 for what is no hex, too long, or when there is no memory. */
static int from_hex(struct source *s, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	if (!text || len % 2 || len / 2 > RECIPE_HEAD_MAX || strspn(text, digits) != len)
		return -1;
	s->head_len = len / 2;
	s->head = malloc(s->head_len + 1);
	if (!s->head)
		return -1;
	for (size_t i = 0; i < s->head_len; i++) {
		size_t high = (size_t)(strchr(digits, text[2 * i]) - digits);
		size_t low = (size_t)(strchr(digits, text[2 * i + 1]) - digits);
		s->head[i] = (char)(high << 4 | low);
	}
	return 0;
}

static bool is_integer(const json_t *value, int64_t *number)
{
	*number = json_integer_value(value);
	return json_is_integer(value);
}

static bool is_time(const json_t *value, int64_t *s, int64_t *ns)
{
	return json_is_array(value) && json_array_size(value) == 2 &&
	       is_integer(json_array_get(value, 0), s) && is_integer(json_array_get(value, 1), ns);
}

static bool has_pin(const json_t *root, struct pin *p)
{
	p->size = json_size(root, "size");
	return p->size >= 0 && is_integer(json_object_get(root, "device"), &p->device) &&
	       is_integer(json_object_get(root, "inode"), &p->inode) &&
	       is_time(json_object_get(root, "modified"), &p->modified_s, &p->modified_ns) &&
	       is_time(json_object_get(root, "changed"), &p->changed_s, &p->changed_ns);
}

/* What is wrong, or NULL. */
static const char *fill(struct source *s, const json_t *root)
{
	const char *path = json_text(root, "file");
	int64_t padding = json_size(root, "padding");
	s->offset = json_size(root, "offset");
	s->length = json_size(root, "length");
	if (json_object_size(root) != MEMBERS)
		return "it has not the members of a recipe";
	if (from_hex(s, json_text(root, "head")))
		return "its head is bad";
	if (!path || !pin_is_path(path))
		return "its file is not below a folder";
	if (!has_pin(root, &s->pin))
		return "it does not say which file is meant";
	if (s->offset < 0 || s->length < 0 || s->offset > s->pin.size || s->length > s->pin.size - s->offset)
		return "its range is not in the file";
	if (padding < 0 || padding > RECIPE_PADDING_MAX ||
	    s->length > INT64_MAX - padding - (int64_t)s->head_len)
		return "its padding is bad";
	s->size = (int64_t)s->head_len + s->length + padding;
	s->path = strdup(path);
	return s->path ? NULL : strerror(errno);
}

int recipe_parse(struct source *s, const char *text, size_t len, struct error *e)
{
	*s = (struct source){.fd = -1, .is_reference = true};
	json_t *root = json_parse("its text", text, len, e);
	if (!root)
		return -1;
	const char *why = fill(s, root);
	json_decref(root);
	return why ? error_set(e, STATUS_DATA, "%s", why) : 0;
}

/* --- In a layout --------------------------------------------------------------------------------
 */

/* Returns the descriptor, or -1 with errno. */
static int open_folder(const struct layout *l)
{
	return openat(l->fd, RECIPES_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int recipe_write(struct layout *l, const struct digest *d, const struct source *s, struct error *e)
{
	char name[LAYOUT_TEMPORARY_SIZE];
	struct stat st;
	int rc = -1, fd = -1, folder = -1;
	char *text = recipe_format(s);
	if (!text) {
		error_errno(e, "memory");
		goto out;
	}
	/* Folder and recipe: not for others to write to, whatever the umask. recipe_read() looks at that. */
	if (mkdirat(l->fd, RECIPES_DIR, 0755) && errno != EEXIST) {
		error_errno(e, "create folder %s/" RECIPES_DIR, l->path);
		goto out;
	}
	folder = open_folder(l);
	if (folder < 0) {
		error_errno(e, "%s/" RECIPES_DIR, l->path);
		goto out;
	}
	fd = layout_temporary(l, name, e);
	if (fd < 0 || file_write(fd, l->path, text, strlen(text), e))
		goto out;
	if (fstat(fd, &st) || fchmod(fd, st.st_mode & 0644)) {
		error_errno(e, "%s", l->path);
		goto out;
	}
	int closed = close(fd);
	fd = -1;
	if (closed) /* some file systems say only now that it could not be written */
		error_errno(e, "write %s", l->path);
	else if (renameat(l->work.fd, name, folder, digest_hex(d)))
		error_errno(e, "%s: store the recipe of %s", l->path, d->text);
	else
		rc = 0;
out:
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	free(text);
	return rc;
}

bool recipe_is_there(const struct layout *l, const struct digest *d)
{
	struct stat st;
	int folder = open_folder(l);
	bool is_there = folder >= 0 && fstatat(folder, digest_hex(d), &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (folder >= 0)
		close(folder);
	return is_there;
}

/* Whoever can write a recipe chooses which files of the user are sent. */
static bool is_own(int folder, const struct digest *d)
{
	struct stat above, st;
	return fstat(folder, &above) == 0 && above.st_uid == geteuid() &&
	       !(above.st_mode & (S_IWGRP | S_IWOTH)) &&
	       fstatat(folder, digest_hex(d), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int read_text(int folder, const struct digest *d, struct source *s, struct error *e)
{
	struct buffer text;
	buffer_init(&text, RECIPE_MAX);
	int rc = is_own(folder, d) ? file_read(folder, digest_hex(d), &text, e)
				   : error_set(e, STATUS_DATA, "others than you can have written it");
	if (rc == 0)
		rc = recipe_parse(s, text.data, text.len, e);
	buffer_release(&text);
	return rc;
}

int recipe_read(const struct layout *l, const struct digest *d, int64_t size, struct source *s,
		struct error *e)
{
	char where[DIGEST_TEXT_LEN + 20];
	*s = (struct source){.fd = -1};
	int folder = open_folder(l);
	int rc = folder < 0 ? error_errno(e, RECIPES_DIR) : read_text(folder, d, s, e);
	if (folder >= 0)
		close(folder);
	if (rc == 0 && size >= 0 && size != s->size)
		rc = error_set(e, STATUS_DATA, "it is of %lld bytes, the descriptor says %lld",
			       (long long)s->size, (long long)size);
	if (rc == 0)
		return 0;
	snprintf(where, sizeof where, "the recipe of %s", d->text);
	e->status = STATUS_DATA;
	error_prefix(e, where);
	return error_prefix(e, l->path);
}

int recipe_roots_add(struct recipe_roots *r, const char *path, struct error *e)
{
	if (r->count == RECIPE_ROOTS_MAX)
		return error_set(e, STATUS_USAGE, "more than %d folders", RECIPE_ROOTS_MAX);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		error_errno(e, "%s", path);
		e->status = STATUS_DATA;
		return -1;
	}
	r->fds[r->count++] = fd;
	return 0;
}

void recipe_roots_release(struct recipe_roots *r)
{
	while (r->count)
		close(r->fds[--r->count]);
}

/* Of several failures the one is told that is about a file of that name. */
static int open_below(const struct recipe_roots *roots, struct source *s, struct error *e)
{
	struct error told = {0};
	bool is_told = false;
	for (size_t i = 0; i < roots->count; i++) {
		struct error why = {0};
		if (source_open(s, roots->fds[i], &why) == 0)
			return 0;
		if (i == 0 || (s->fd >= 0 && !is_told)) {
			told = why;
			is_told = s->fd >= 0;
		}
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
	}
	*e = told;
	return -1;
}

int recipe_open(const struct layout *l, const struct digest *d, int64_t size,
		const struct recipe_roots *roots, struct source *s, struct error *e)
{
	*s = (struct source){.fd = -1};
	if (layout_has_blob(l, d, NULL) || !recipe_is_there(l, d)) {
		int fd = layout_open_blob(l, d, size, e);
		if (fd < 0)
			return -1;
		source_file(s, fd, lseek(fd, 0, SEEK_END));
		return s->size < 0 ? error_errno(e, "blob %s", d->text) : 0;
	}
	if (roots->count == 0)
		return error_set(e, STATUS_DATA,
				 "%s: %s is by reference: --source-root DIR is needed, the folder of its file",
				 l->path, d->text);
	if (recipe_read(l, d, size, s, e))
		return -1;
	return open_below(roots, s, e) ? error_prefix(e, d->text) : 0;
}
