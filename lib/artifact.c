/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact.h"

#include "event.h"
#include "file.h"
#include "filespec.h"
#include "json.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What oras calls a config whose type nobody said. */
#define MEDIA_TYPE_UNKNOWN_CONFIG "application/vnd.unknown.config.v1+json"

#define EMPTY_TEXT "{}"
#define EMPTY_BASE64 "e30="

enum { READ_BLOCK = 64 * 1024 };

/* Opens a regular file, or a link to one, as the user named it. */
static int open_source(const char *path, int64_t *size, struct error *e)
{
	struct stat st;
	/* O_NONBLOCK: opening a FIFO must not hang before it can be refused. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(e, "%.300s", path);
	if (fstat(fd, &st)) {
		error_errno(e, "%.300s", path);
		close(fd);
		return -1;
	}
	if (S_ISREG(st.st_mode)) {
		*size = st.st_size;
		return fd;
	}
	close(fd);
	return error_set(e, STATUS_DATA, "%.300s: %s", path,
			 S_ISDIR(st.st_mode) ? "a folder: pack it with tar first"
					     : "not a regular file");
}

static int check_source(const char *path, struct error *e)
{
	int64_t size;
	int fd = open_source(path, &size, e);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int check_file(const char *text, json_t *titles, struct error *e)
{
	struct filespec f;
	char title[FILESPEC_PATH_SIZE];
	if (filespec_parse(&f, text, MEDIA_TYPE_LAYER, e) || filespec_title(&f, title, e))
		return -1;
	if (!json_set_add(titles, title))
		return error_set(e, STATUS_USAGE, "'%.200s' is given twice", title);
	return check_source(f.path, e);
}

int artifact_check(const struct artifact *a, struct error *e)
{
	struct filespec config;
	if (a->config && (filespec_parse(&config, a->config, MEDIA_TYPE_UNKNOWN_CONFIG, e) ||
			  check_source(config.path, e)))
		return -1;
	json_t *titles = json_object();
	int rc = 0;
	for (char *const *file = a->files; rc == 0 && *file; file++)
		rc = check_file(*file, titles, e);
	json_decref(titles);
	return rc;
}

/* Copies the file FD into the file TO. What is hashed is what is stored. Of a file that grows meanwhile no
 * more is read than shows it. */
static int copy(int fd, int to, const char *path, struct descriptor *d, struct error *e)
{
	char block[READ_BLOCK];
	int64_t total = 0;
	struct hasher *h = hasher_new();
	int rc = -1;
	while (total <= d->size) {
		ssize_t n = read(fd, block, sizeof block);
		if (program_is_interrupted()) {
			program_interrupted(e);
			goto out;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_errno(e, "%.300s", path);
			goto out;
		}
		if (n == 0)
			break;
		hasher_update(h, block, (size_t)n);
		if (file_write(to, "a blob", block, (size_t)n, e))
			goto out;
		total += n;
	}
	if (total == d->size)
		rc = 0;
	else
		error_set(e, STATUS_DATA, "%.300s: it changed while it was read", path);
	hasher_final(h, &d->digest);
out:
	hasher_free(h);
	return rc;
}

/* Stores the file at PATH; D gets digest and size. */
static int store(struct layout *l, const char *path, struct descriptor *d, struct error *e)
{
	char name[LAYOUT_TEMPORARY_SIZE];
	int to = -1, rc = -1;
	int fd = open_source(path, &d->size, e);
	if (fd < 0)
		goto out;
	program_trace("store %s: %lld bytes", path, (long long)d->size);
	to = layout_temporary(l, name, e);
	if (to < 0 || copy(fd, to, path, d, e))
		goto out;
	rc = 0;
out:
	if (to >= 0 && close(to) && rc == 0)
		rc = error_errno(e, "write %s", l->path);
	if (fd >= 0)
		close(fd);
	return rc ? rc : layout_commit(l, name, &d->digest, d->size, e);
}

struct making {
	struct layout *layout;
	json_t *announced; /* a set of digests */
};

/* Says that the blob D is stored, once, and returns its descriptor. The caller frees it; NULL when stdout
 * takes no more. */
static json_t *announce(struct making *m, const struct descriptor *d, struct error *e)
{
	if (json_set_add(m->announced, d->digest.text) && event_blob(d, NULL, -1, e))
		return NULL;
	return json_pack("{s:s, s:s, s:I}", "mediaType", d->media_type, "digest", d->digest.text,
			 "size", (json_int_t)d->size);
}

static json_t *store_config(struct making *m, const char *text, struct error *e)
{
	struct descriptor d = {.kind = KIND_CONFIG, .media_type = MEDIA_TYPE_EMPTY};
	struct filespec f;
	if (!text) {
		d.size = (int64_t)strlen(EMPTY_TEXT);
		if (layout_put(m->layout, EMPTY_TEXT, strlen(EMPTY_TEXT), &d.digest, e))
			return NULL;
		json_t *empty = announce(m, &d, e);
		if (empty)
			json_object_set_new(empty, "data", json_string(EMPTY_BASE64));
		return empty;
	}
	if (filespec_parse(&f, text, MEDIA_TYPE_UNKNOWN_CONFIG, e) || store(m->layout, f.path, &d, e))
		return NULL;
	snprintf(d.media_type, sizeof d.media_type, "%s", f.media_type);
	return announce(m, &d, e);
}

static json_t *store_layer(struct making *m, const char *text, struct error *e)
{
	struct descriptor d = {.kind = KIND_LAYER};
	struct filespec f;
	char title[FILESPEC_PATH_SIZE];
	if (filespec_parse(&f, text, MEDIA_TYPE_LAYER, e) || filespec_title(&f, title, e) ||
	    store(m->layout, f.path, &d, e))
		return NULL;
	snprintf(d.media_type, sizeof d.media_type, "%s", f.media_type);
	json_t *layer = announce(m, &d, e);
	if (layer)
		json_object_set_new(layer, "annotations", json_pack("{s:s}", ANNOTATION_TITLE, title));
	return layer;
}

/* Layers and config are in ROOT; the members stand in the order of oras. */
static void complete(json_t *root, const struct artifact *a)
{
	if (a->subject)
		json_object_set_new(root, "subject",
				    json_pack("{s:s, s:s, s:I}", "mediaType", a->subject->media_type,
					      "digest", a->subject->digest.text, "size",
					      (json_int_t)a->subject->size));
	annotations_write(&a->annotations, root);
}

char *artifact_store(const struct artifact *a, struct layout *l, struct error *e)
{
	struct making m = {.layout = l, .announced = json_object()};
	json_t *layers = json_array(), *root = NULL;
	char *text = NULL;
	json_t *config = store_config(&m, a->config, e);
	if (!config)
		goto out;
	for (char *const *file = a->files; *file; file++) {
		json_t *layer = store_layer(&m, *file, e);
		if (!layer)
			goto out;
		json_array_append_new(layers, layer);
	}
	root = json_pack("{s:i, s:s, s:s, s:O, s:O}", "schemaVersion", 2, "mediaType",
			 MEDIA_TYPE_MANIFEST, "artifactType", a->type, "config", config, "layers",
			 layers);
	complete(root, a);
	text = json_dumps(root, JSON_COMPACT);
	if (!text)
		error_errno(e, "memory");
out:
	json_decref(config);
	json_decref(layers);
	json_decref(root);
	json_decref(m.announced);
	return text;
}
