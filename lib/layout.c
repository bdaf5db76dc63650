/* SPDX-License-Identifier: Apache-2.0 */
/* A layout on disk:
 *
 *   DIR/oci-layout             {"imageLayoutVersion": "1.0.0"}
 *   DIR/index.json             the images
 *   DIR/blobs/sha256/<hex>     the blobs
 *   DIR/.index.lock            locked while index.json is replaced
 *   DIR/.tmp-<random>/         temporary blobs of one running converter
 */
#include "layout.h"

#include "file.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYOUT_FILE "oci-layout"
#define LAYOUT_TEXT "{\"imageLayoutVersion\": \"1.0.0\"}"
#define INDEX_FILE "index.json"
#define LOCK_FILE ".index.lock"
#define BLOBS_DIR "blobs/sha256"
#define WORK_PREFIX ".tmp-"
#define SCRATCH_PREFIX "cog-scratch-"

static void clear(struct layout *l, const char *path)
{
	*l = (struct layout){.fd = -1, .blobs_fd = -1, .path = path};
	l->work.fd = -1;
}

static int open_directory(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int layout_open(struct layout *l, const char *path, struct error *e)
{
	clear(l, path);
	struct stat st;
	l->fd = open_directory(AT_FDCWD, path);
	if (l->fd < 0) {
		error_errno(e, "%s", path);
		e->status = STATUS_DATA;
		return -1;
	}
	if (fstatat(l->fd, LAYOUT_FILE, &st, 0))
		return error_set(e, STATUS_DATA, "%s: not an OCI layout: it has no file %s", path,
				 LAYOUT_FILE);
	l->blobs_fd = open_directory(l->fd, BLOBS_DIR);
	if (l->blobs_fd < 0)
		return error_set(e, STATUS_DATA, "%s: not an OCI layout: it has no folder %s", path,
				 BLOBS_DIR);
	return 0;
}

static int make_directory(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0777) && errno != EEXIST ? -1 : 0;
}

int layout_create(struct layout *l, const char *path, struct error *e)
{
	clear(l, path);
	if (make_directory(AT_FDCWD, path))
		return error_errno(e, "create folder %s", path);
	l->fd = open_directory(AT_FDCWD, path);
	if (l->fd < 0)
		return error_errno(e, "%s", path);
	if (make_directory(l->fd, "blobs") || make_directory(l->fd, BLOBS_DIR))
		return error_errno(e, "create folder %s/%s", path, BLOBS_DIR);
	l->blobs_fd = open_directory(l->fd, BLOBS_DIR);
	if (l->blobs_fd < 0)
		return error_errno(e, "%s/%s", path, BLOBS_DIR);
	struct stat st;
	if (fstatat(l->fd, LAYOUT_FILE, &st, 0) &&
	    file_replace(l->fd, LAYOUT_FILE, LAYOUT_TEXT, strlen(LAYOUT_TEXT), e))
		return -1;
	return workdir_init(&l->work, l->fd, WORK_PREFIX, e);
}

int layout_scratch(struct layout *l, const char *folder, struct error *e)
{
	clear(l, folder);
	l->fd = open_directory(AT_FDCWD, folder);
	if (l->fd < 0)
		return error_errno(e, "%s", folder);
	return workdir_init(&l->work, l->fd, SCRATCH_PREFIX, e) ? error_prefix(e, folder) : 0;
}

void layout_release(struct layout *l)
{
	workdir_release(&l->work);
	if (l->blobs_fd >= 0)
		close(l->blobs_fd);
	if (l->fd >= 0)
		close(l->fd);
	clear(l, l->path);
}

int layout_open_blob(const struct layout *l, const struct digest *d, int64_t size, struct error *e)
{
	int64_t real = 0;
	int fd = file_open(l->blobs_fd, digest_hex(d), &real, e);
	if (fd < 0 && errno == ENOENT)
		return error_set(e, STATUS_DATA, "%s: %s is not in the layout", l->path, d->text);
	if (fd < 0) {
		e->status = STATUS_DATA;
		return error_prefix(e, l->path);
	}
	if (size >= 0 && size != real) {
		close(fd);
		return error_set(e, STATUS_DATA, "%s: %s has %lld bytes, its descriptor says %lld",
				 l->path, d->text, (long long)real, (long long)size);
	}
	return fd;
}

bool layout_has_blob(const struct layout *l, const struct digest *d, int64_t *size)
{
	struct stat st;
	if (fstatat(l->blobs_fd, digest_hex(d), &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return false;
	if (size)
		*size = st.st_size;
	return true;
}

int layout_remove_blob(const struct layout *l, const struct digest *d, struct error *e)
{
	if (unlinkat(l->blobs_fd, digest_hex(d), 0) && errno != ENOENT)
		return error_errno(e, "%s: %s", l->path, d->text);
	return 0;
}

int layout_read_blob(const struct layout *l, const struct digest *d, struct buffer *out,
		     struct error *e)
{
	int fd = layout_open_blob(l, d, -1, e);
	if (fd < 0)
		return -1;
	close(fd);
	if (file_read(l->blobs_fd, digest_hex(d), out, e))
		return error_prefix(e, l->path);
	struct digest real;
	digest_of(&real, out->data ? out->data : "", out->len);
	if (!digest_equal(&real, d))
		return error_set(e, STATUS_DATA, "%s: the bytes of %s have another digest", l->path,
				 d->text);
	return 0;
}

int layout_read_manifest(const struct layout *l, const struct descriptor *d, struct manifest *m,
			 struct error *e)
{
	struct buffer text;
	buffer_init(&text, JSON_MANIFEST_MAX);
	*m = (struct manifest){0};
	int rc = layout_read_blob(l, &d->digest, &text, e);
	if (rc == 0)
		rc = manifest_parse(m, d->digest.text, text.data, text.len, e);
	buffer_release(&text);
	return rc;
}

int layout_temporary(struct layout *l, char name[LAYOUT_TEMPORARY_SIZE], struct error *e)
{
	static unsigned counter;
	snprintf(name, LAYOUT_TEMPORARY_SIZE, "%u", ++counter);
	int fd = openat(l->work.fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return fd < 0 ? error_errno(e, "create a file in %s", l->path) : fd;
}

int layout_commit(struct layout *l, const char *name, const struct digest *d, int64_t size,
		  struct error *e)
{
	int64_t old = 0;
	if (layout_has_blob(l, d, &old) && old == size) {
		unlinkat(l->work.fd, name, 0);
		return 0;
	}
	if (renameat(l->work.fd, name, l->blobs_fd, digest_hex(d)))
		return error_errno(e, "%s: store %s", l->path, d->text);
	return 0;
}

int layout_put(struct layout *l, const void *data, size_t len, struct digest *d, struct error *e)
{
	char name[LAYOUT_TEMPORARY_SIZE];
	digest_of(d, data, len);
	int fd = layout_temporary(l, name, e);
	if (fd < 0)
		return -1;
	int rc = file_write(fd, l->path, data, len, e);
	if (close(fd) && rc == 0)
		rc = error_errno(e, "write %s", l->path);
	return rc ? rc : layout_commit(l, name, d, (int64_t)len, e);
}

/* index.json */

static json_t *read_index(const struct layout *l, struct error *e)
{
	struct buffer text;
	struct error why = {0};
	buffer_init(&text, JSON_INDEX_MAX);
	json_t *root = NULL;
	if (file_read(l->fd, INDEX_FILE, &text, &why))
		error_set(e, STATUS_DATA, "%s/%s", l->path, why.text);
	else
		root = json_parse(INDEX_FILE, text.data, text.len, e);
	buffer_release(&text);
	if (root && !json_list(root, "manifests")) {
		error_set(e, STATUS_DATA, "%s/%s: it has no list of manifests", l->path, INDEX_FILE);
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* The name that an entry of index.json has for users; NULL for none, also for an empty one. Borrowed. */
static const char *entry_name(const json_t *entry)
{
	const json_t *notes = json_object_get(entry, "annotations");
	const char *name = json_text(notes, ANNOTATION_IMAGE_NAME);
	if (!name || !*name)
		name = json_text(notes, ANNOTATION_REF_NAME);
	return name && *name ? name : NULL;
}

static bool is_same_entry(const json_t *a, const json_t *b)
{
	const char *name_a = entry_name(a), *name_b = entry_name(b);
	if (name_a || name_b)
		return name_a && name_b && strcmp(name_a, name_b) == 0;
	const char *digest_a = json_text(a, "digest"), *digest_b = json_text(b, "digest");
	return digest_a && digest_b && strcmp(digest_a, digest_b) == 0;
}

static int add_entry(json_t *entries, const char *descriptor, struct error *e)
{
	json_t *entry = json_parse("descriptor", descriptor, strlen(descriptor), e);
	if (!entry)
		return -1;
	for (size_t i = json_array_size(entries); i > 0; i--)
		if (is_same_entry(json_array_get(entries, i - 1), entry))
			json_array_remove(entries, i - 1);
	json_array_append_new(entries, entry);
	return 0;
}

static int replace_index(struct layout *l, const char *const *descriptors, size_t count,
			 struct error *e)
{
	struct stat st;
	json_t *root = NULL;
	char *text = NULL;
	int rc = -1;
	if (fstatat(l->fd, INDEX_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		root = read_index(l, e);
	else
		root = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
				 MEDIA_TYPE_INDEX, "manifests");
	if (!root)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (add_entry(json_list(root, "manifests"), descriptors[i], e))
			goto out;
	text = json_dumps(root, JSON_COMPACT);
	if (!text)
		error_errno(e, "memory");
	else
		rc = file_replace(l->fd, INDEX_FILE, text, strlen(text), e);
out:
	free(text);
	json_decref(root);
	return rc;
}

int layout_add_images(struct layout *l, const char *const *descriptors, size_t count,
		      struct error *e)
{
	int lock = file_lock(l->fd, LOCK_FILE, e);
	int rc = lock < 0 ? -1 : replace_index(l, descriptors, count, e);
	if (lock >= 0)
		close(lock);
	return rc ? error_prefix(e, l->path) : 0;
}

/* Names */

/* NAME without docker.io/ and library/, with :latest where it has neither tag nor digest. */
static void normalise(char *to, size_t size, const char *name)
{
	static const char *const prefixes[] = {"docker.io/", "index.docker.io/", "library/"};
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			name += strlen(prefixes[i]);
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash : name;
	bool has_tag = strchr(last, ':') || strchr(last, '@');
	snprintf(to, size, "%s%s", name, has_tag ? "" : ":latest");
}

bool layout_name_matches(const char *name, const char *ref)
{
	char a[600], b[600];
	normalise(a, sizeof a, name);
	normalise(b, sizeof b, ref);
	return strcmp(a, b) == 0;
}

bool layout_is_named(const struct descriptor *d, const char *name)
{
	return (*d->ref_name && layout_name_matches(name, d->ref_name)) ||
	       (*d->image_name && layout_name_matches(name, d->image_name));
}

/* For one digest. */
struct search {
	const struct layout *layout;
	struct digest digest;
	struct descriptor *found;
	json_t *seen; /* the set of indexes that were looked into */
};

/* Looks among the entries of INDEX, then inside those that are indexes themselves. */
static bool find_digest(struct search *s, const struct manifest *index, int depth)
{
	for (size_t i = 0; i < index->count; i++)
		if (digest_equal(&index->items[i].digest, &s->digest)) {
			*s->found = index->items[i];
			return true;
		}
	bool is_found = false;
	for (size_t i = 0; i < index->count && depth > 0 && !is_found; i++) {
		const struct descriptor *d = &index->items[i];
		struct manifest child;
		struct error ignored;
		if (d->kind != KIND_INDEX || !json_set_add(s->seen, d->digest.text))
			continue;
		is_found = layout_read_manifest(s->layout, d, &child, &ignored) == 0 &&
			   find_digest(s, &child, depth - 1);
		manifest_release(&child);
	}
	return is_found;
}

enum { NESTING_MAX = 4 }; /* indexes inside indexes */

static bool find_image(const struct layout *l, const struct manifest *index, const char *selector,
		       struct descriptor *found)
{
	struct search s = {.layout = l, .found = found};
	if (digest_parse(&s.digest, selector) == 0) {
		s.seen = json_object();
		bool is_found = find_digest(&s, index, NESTING_MAX);
		json_decref(s.seen);
		return is_found;
	}
	for (size_t i = 0; i < index->count; i++) {
		if (layout_is_named(&index->items[i], selector)) {
			*found = index->items[i];
			return true;
		}
	}
	return false;
}

/* The only image: all entries have one digest. */
static int find_only(const struct layout *l, const struct manifest *index,
		     struct descriptor *found, struct error *e)
{
	if (index->count == 0)
		return error_set(e, STATUS_DATA, "%s: the layout holds no image", l->path);
	*found = index->items[0];
	for (size_t i = 1; i < index->count; i++) {
		if (digest_equal(&index->items[i].digest, &found->digest))
			continue;
		char names[300];
		manifest_list_names(index, names, sizeof names);
		return error_set(e, STATUS_USAGE, "%s: several images, choose one with -i: %s",
				 l->path, names);
	}
	return 0;
}

int layout_list(const struct layout *l, struct manifest *index, struct error *e)
{
	*index = (struct manifest){0};
	json_t *root = read_index(l, e);
	if (!root)
		return -1;
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	int rc = text ? manifest_parse(index, INDEX_FILE, text, strlen(text), e) : error_errno(e, "memory");
	free(text);
	return rc;
}

int layout_find(const struct layout *l, const char *selector, struct descriptor *found,
		struct error *e)
{
	struct manifest index;
	int rc = -1;
	if (layout_list(l, &index, e))
		goto out;
	if (!selector) {
		rc = find_only(l, &index, found, e);
	} else if (find_image(l, &index, selector, found)) {
		rc = 0;
	} else {
		char names[300];
		manifest_list_names(&index, names, sizeof names);
		error_set(e, STATUS_FAILED, "%s: no image '%.100s'; there are: %s", l->path,
			  selector, names);
	}
out:
	manifest_release(&index);
	return rc;
}

/* The walk */

struct walk {
	const struct layout *layout;
	layout_visitor *visit;
	void *context;
	json_t *seen; /* a set of digests */
};

static int walk(struct walk *w, const struct descriptor *d, int depth, struct error *e);

/* Large ones first: what comes last is what uploads side by side wait for. */
static int compare_layers(const void *a, const void *b)
{
	const struct descriptor *x = a, *y = b;
	return x->size != y->size ? (x->size < y->size ? 1 : -1) : strcmp(x->digest.text, y->digest.text);
}

static int walk_children(struct walk *w, const struct descriptor *d, int depth, struct error *e)
{
	struct manifest m;
	int rc = layout_read_manifest(w->layout, d, &m, e);
	if (rc == 0 && !m.is_index && m.count)
		qsort(m.items, m.count, sizeof *m.items, compare_layers);
	if (rc == 0 && m.has_config)
		rc = walk(w, &m.config, depth + 1, e);
	for (size_t i = 0; rc == 0 && i < m.count; i++) {
		const struct descriptor *item = &m.items[i];
		if (w->layout->is_sparse_allowed && m.is_index &&
		    !layout_has_blob(w->layout, &item->digest, NULL))
			continue;
		rc = walk(w, item, depth + 1, e);
	}
	manifest_release(&m);
	return rc;
}

static int walk(struct walk *w, const struct descriptor *d, int depth, struct error *e)
{
	if (d->has_urls || !json_set_add(w->seen, d->digest.text))
		return 0;
	if (depth > 2 * NESTING_MAX)
		return error_set(e, STATUS_DATA, "%s: indexes nested too deep", w->layout->path);
	int rc = 0;
	if (d->kind == KIND_MANIFEST || d->kind == KIND_INDEX)
		rc = walk_children(w, d, depth, e);
	return rc ? rc : w->visit(d, w->context, e);
}

int layout_walk(const struct layout *l, const struct descriptor *root, layout_visitor *visit,
		void *context, struct error *e)
{
	struct walk w = {.layout = l, .visit = visit, .context = context, .seen = json_object()};
	int rc = walk(&w, root, 0, e);
	json_decref(w.seen);
	return rc;
}
