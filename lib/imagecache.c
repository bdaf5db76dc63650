/* SPDX-License-Identifier: Apache-2.0 */
#include "imagecache.h"

#include "file.h"
#include "json.h"
#include "program.h"
#include "state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN "known"

enum { DOCUMENT_MAX = 32 << 20, NAME_SIZE = 256, TIMES_MAX = 4 * IMAGECACHE_MAX };

/* Returns a descriptor, or -1 where there is no cache. */
static int open_cache(void)
{
	struct error e = {0};
	int fd = state_open_cache(KNOWN, &e);
	if (fd < 0)
		program_trace("no cache: %s", e.text);
	return fd;
}

static void name_file(const char *setting, const char *hex, char name[NAME_SIZE])
{
	char suffix[DIGEST_HEX_LEN + 2];
	snprintf(suffix, sizeof suffix, ".%s", hex);
	state_host_file(setting, suffix, name, NAME_SIZE);
}

/* Returns a document, or NULL where there is none, or none of use. */
static json_t *read_document(int dir_fd, const char *name)
{
	struct error ignored = {0};
	struct buffer text;
	json_t *document = NULL;
	buffer_init(&text, DOCUMENT_MAX);
	if (file_read(dir_fd, name, &text, &ignored) == 0 && text.len)
		document = json_parse(name, text.data, text.len, &ignored);
	buffer_release(&text);
	return document;
}

/* --- Adding ------------------------------------------------------------------------------------ */

struct add {
	const struct layout *layout;
	json_t *manifests, *configs, *diff_ids;
};

/* Keeps the config of M, if that is there, and pairs the layers with its rootfs.diff_ids. */
static void add_config(struct add *a, const struct manifest *m)
{
	struct error ignored = {0};
	struct buffer text;
	json_t *config = NULL;
	buffer_init(&text, JSON_CONFIG_MAX);
	if (layout_read_blob(a->layout, &m->config.digest, &text, &ignored) == 0)
		config = json_parse("config", text.data, text.len, &ignored);
	if (config)
		json_array_append_new(a->configs, json_stringn(text.data, text.len));
	json_t *ids = config ? json_list(json_object_get(config, "rootfs"), "diff_ids") : NULL;
	for (size_t i = 0; ids && json_array_size(ids) == m->count && i < m->count; i++)
		json_object_set(a->diff_ids, m->items[i].digest.text, json_array_get(ids, i));
	json_decref(config);
	buffer_release(&text);
}

static int add_manifest(const struct descriptor *d, void *context, struct error *e)
{
	struct add *a = context;
	struct manifest m = {0};
	struct buffer text;
	int rc = -1;
	if (d->kind != KIND_MANIFEST && d->kind != KIND_INDEX)
		return 0;
	buffer_init(&text, JSON_MANIFEST_MAX);
	if (layout_read_blob(a->layout, &d->digest, &text, e) ||
	    manifest_parse(&m, d->digest.text, text.data, text.len, e))
		goto out;
	json_array_append_new(a->manifests, json_pack("{s:s, s:s%}", "mediaType", d->media_type,
						      "text", text.data, text.len));
	if (!m.is_index && manifest_is_image(&m))
		add_config(a, &m);
	rc = 0;
out:
	manifest_release(&m);
	buffer_release(&text);
	return rc;
}

/* Whether KEY tells ROOT: other IDs of an engine may come to mean another tree. */
static int is_key(const struct digest *key, const struct layout *l, const struct descriptor *root,
		  struct error *e)
{
	struct manifest m = {0};
	int rc = -1;
	if (layout_read_manifest(l, root, &m, e) == 0)
		rc = digest_equal(key, &root->digest) ||
		     (m.has_config && digest_equal(key, &m.config.digest));
	manifest_release(&m);
	return rc;
}

struct dated {
	char name[NAME_SIZE];
	int64_t time;
};

static int compare_time(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;
	return (x->time > y->time) - (x->time < y->time);
}

/* Keeps the newest IMAGECACHE_MAX. */
static void remove_old(int dir_fd)
{
	struct dated *list = calloc(TIMES_MAX, sizeof *list);
	DIR *dir = fdopendir(dup(dir_fd));
	size_t count = 0;
	struct dirent *entry;
	struct stat st;
	if (dir)
		rewinddir(dir);
	while (list && dir && count < TIMES_MAX && (entry = readdir(dir))) {
		if (*entry->d_name == '.' || strlen(entry->d_name) >= NAME_SIZE ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		snprintf(list[count].name, NAME_SIZE, "%s", entry->d_name);
		list[count++].time = st.st_mtime;
	}
	if (count > IMAGECACHE_MAX) {
		qsort(list, count, sizeof *list, compare_time);
		for (size_t i = 0; i < count - IMAGECACHE_MAX; i++)
			(void)unlinkat(dir_fd, list[i].name, 0);
	}
	if (dir)
		closedir(dir);
	free(list);
}

static void write_document(int dir_fd, const char *name, const json_t *document)
{
	struct error e = {0};
	char *text = json_dumps(document, JSON_COMPACT);
	if (text && file_replace_private(dir_fd, name, text, strlen(text), &e))
		program_trace("not remembered: %s", e.text);
	free(text);
}

int imagecache_add(const char *setting, const struct digest *key, const struct layout *l,
	      const struct descriptor *root, struct error *e)
{
	char name[NAME_SIZE];
	struct add a = {.layout = l,
			.manifests = json_array(),
			.configs = json_array(),
			.diff_ids = json_object()};
	int rc = is_key(key, l, root, e), dir_fd = -1;
	if (rc <= 0)
		goto out;
	rc = layout_walk(l, root, add_manifest, &a, e);
	if (rc == 0 && (dir_fd = open_cache()) >= 0) {
		json_t *document = json_pack("{s:s, s:O, s:O, s:O}", "root", root->digest.text,
					     "manifests", a.manifests, "configs", a.configs, "diffIds",
					     a.diff_ids);
		name_file(setting, digest_hex(key), name);
		write_document(dir_fd, name, document);
		remove_old(dir_fd);
		json_decref(document);
		close(dir_fd);
	}
out:
	json_decref(a.manifests);
	json_decref(a.configs);
	json_decref(a.diff_ids);
	return rc;
}

/* --- Finding ----------------------------------------------------------------------------------- */

struct visit {
	const json_t *diff_ids;
	imagecache_visitor *visit;
	void *context;
};

static int visit_blob(const struct descriptor *d, void *context, struct error *e)
{
	const struct visit *v = context;
	struct digest diff_id = {""};
	const char *text = d->kind == KIND_LAYER ? json_text(v->diff_ids, d->digest.text) : NULL;
	if (text)
		(void)digest_parse(&diff_id, text);
	return v->visit(d, &diff_id, v->context, e);
}

/* Puts MANIFESTS into L and describes the last, the root. */
static int put_manifests(struct layout *l, const json_t *manifests, struct descriptor *root,
			 struct error *e)
{
	for (size_t i = 0; i < json_array_size(manifests); i++) {
		const json_t *each = json_array_get(manifests, i), *text = json_object_get(each, "text");
		const char *media_type = json_text(each, "mediaType");
		if (!media_type || !json_is_string(text))
			return 0;
		if (layout_put(l, json_string_value(text), json_string_length(text), &root->digest, e))
			return -1;
		root->size = (int64_t)json_string_length(text);
		root->kind = strcmp(media_type, MEDIA_TYPE_INDEX) == 0 ||
					     strcmp(media_type, MEDIA_TYPE_DOCKER_LIST) == 0
				     ? KIND_INDEX
				     : KIND_MANIFEST;
		snprintf(root->media_type, sizeof root->media_type, "%s", media_type);
	}
	return 0;
}

static int put_configs(struct layout *l, const json_t *configs, struct error *e)
{
	struct digest ignored;
	for (size_t i = 0; i < json_array_size(configs); i++) {
		const json_t *text = json_array_get(configs, i);
		if (json_is_string(text) && layout_put(l, json_string_value(text),
						       json_string_length(text), &ignored, e))
			return -1;
	}
	return 0;
}

static int add_root(struct layout *l, const struct descriptor *root, struct error *e)
{
	json_t *entry = json_pack("{s:s, s:s, s:I}", "mediaType", root->media_type, "digest",
				  root->digest.text, "size", (json_int_t)root->size);
	char *text = json_dumps(entry, JSON_COMPACT);
	int rc = layout_add_images(l, (const char *const[]){text}, 1, e);
	free(text);
	json_decref(entry);
	return rc;
}

static int pass(const struct descriptor *d, void *context, struct error *e)
{
	(void)d, (void)context, (void)e;
	return 0;
}

int imagecache_visit_image(const char *setting, const struct digest *key, struct layout *l,
		      struct descriptor *root, imagecache_visitor *visit, void *context,
		      struct error *e)
{
	char name[NAME_SIZE];
	int rc = 0, dir_fd = open_cache();
	*root = (struct descriptor){0};
	if (dir_fd < 0)
		return 0;
	name_file(setting, digest_hex(key), name);
	json_t *document = read_document(dir_fd, name);
	struct visit v = {json_object_get(document, "diffIds"), visit, context};
	struct descriptor found = {0};
	struct error why = {0};
	close(dir_fd);
	if (document)
		rc = put_manifests(l, json_object_get(document, "manifests"), &found, e) ||
				     put_configs(l, json_object_get(document, "configs"), e)
			     ? -1
			     : 0;
	/* A document that someone has damaged is none. */
	const char *text = document ? json_text(document, "root") : NULL;
	if (rc == 0 && text && strcmp(found.digest.text, text) == 0 &&
	    layout_walk(l, &found, pass, NULL, &why) == 0) {
		*root = found;
		rc = add_root(l, root, e) ? -1 : layout_walk(l, root, visit_blob, &v, e);
	}
	json_decref(document);
	return rc;
}

static const char *media_type_of(const char *setting)
{
	return strncmp(setting, "zstd", 4) == 0	  ? MEDIA_TYPE_LAYER_ZSTD
	       : strncmp(setting, "none", 4) == 0 ? MEDIA_TYPE_LAYER
						  : MEDIA_TYPE_LAYER_GZIP;
}

/* Visits those layers of M whose diffIds are in WANTED, and takes what is of MEDIA_TYPE out of it. */
static int visit_wanted(const struct manifest *m, const char *media_type, json_t *wanted,
			const struct visit *v, struct error *e)
{
	for (size_t i = 0; !m->is_index && i < m->count; i++) {
		const struct descriptor *d = &m->items[i];
		const char *diff_id = json_text(v->diff_ids, d->digest.text);
		if (!diff_id || !json_object_get(wanted, diff_id))
			continue;
		if (strcmp(d->media_type, media_type) == 0)
			json_object_del(wanted, diff_id);
		int rc = visit_blob(d, (void *)(uintptr_t)v, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* One image that is known. */
static int visit_document(const json_t *document, const char *media_type, json_t *wanted,
			  struct visit *v, struct error *e)
{
	const json_t *manifests = json_object_get(document, "manifests");
	int rc = 0;
	v->diff_ids = json_object_get(document, "diffIds");
	for (size_t i = 0; rc == 0 && i < json_array_size(manifests); i++) {
		const char *text = json_text(json_array_get(manifests, i), "text");
		struct manifest m = {0};
		struct error ignored = {0};
		if (text && manifest_parse(&m, "known", text, strlen(text), &ignored) == 0)
			rc = visit_wanted(&m, media_type, wanted, v, e);
		manifest_release(&m);
	}
	return rc;
}

int imagecache_visit_layers(const char *setting, const struct digest *diff_ids, size_t count,
		       imagecache_visitor *visit, void *context, struct error *e)
{
	char prefix[NAME_SIZE];
	struct visit v = {NULL, visit, context};
	int rc = 0, dir_fd = open_cache();
	DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	json_t *wanted = json_object();
	struct dirent *entry;
	for (size_t i = 0; i < count; i++)
		json_set_add(wanted, diff_ids[i].text);
	name_file(setting, "", prefix);
	while (rc == 0 && dir && json_object_size(wanted) && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		json_t *document = read_document(dir_fd, entry->d_name);
		rc = visit_document(document, media_type_of(setting), wanted, &v, e);
		json_decref(document);
	}
	json_decref(wanted);
	if (dir)
		closedir(dir);
	return rc;
}
