/* SPDX-License-Identifier: Apache-2.0 */
#include "weight.h"

#include "json.h"
#include "pin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_NAME "run.cog.weight.name"
#define NOTE_TARGET "run.cog.weight.target"
#define NOTE_SET_DIGEST "run.cog.weight.set-digest"
#define NOTE_FILE_BYTES "run.cog.weight.size.uncompressed"

enum {
	TAG_NAME_MAX = 104, /* bytes of a tag for the name, as in cog */
	TAG_HEX_LEN = 12,
	TEXT_MAX = PIN_PATH_MAX, /* bytes of a name, a target */
};

/* Why TEXT can't be in a manifest; NULL when it can. */
static const char *find_fault(const char *text)
{
	json_t *string = json_string(text);
	json_decref(string);
	if (!string)
		return "it is not UTF-8";
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "it has a control character";
	return strlen(text) > TEXT_MAX ? "it is too long" : NULL;
}

int weight_check_name(const char *name, struct error *e)
{
	const char *fault = *name ? find_fault(name) : "it is empty";
	return fault ? error_set(e, STATUS_DATA, "the name '%.100s': %s", name, fault) : 0;
}

int weight_check_target(const char *target, struct error *e)
{
	const char *fault = *target != '/' ? "it is not absolute" : find_fault(target);
	/* A folder has one spelling: those of a bundle are compared as texts. */
	if (!fault && target[1] && !pin_is_path(target + 1))
		fault = "a part of it is empty, '.' or '..'";
	return fault ? error_set(e, STATUS_DATA, "the target '%.200s': %s", target, fault) : 0;
}

int weight_init(struct weight *w, size_t file_count, size_t layer_count, struct error *e)
{
	*w = (struct weight){.file_count = file_count, .layer_count = layer_count};
	w->files = calloc(file_count ? file_count : 1, sizeof *w->files);
	w->layers = calloc(layer_count ? layer_count : 1, sizeof *w->layers);
	if (w->files && w->layers)
		return 0;
	free(w->files);
	free(w->layers);
	*w = (struct weight){0};
	return error_errno(e, "memory");
}

void weight_release(struct weight *w)
{
	for (size_t i = 0; i < w->file_count; i++)
		free(w->files[i].path);
	free(w->files);
	free(w->layers);
	free(w->name);
	free(w->target);
	*w = (struct weight){0};
}

void weight_set_digest(const struct weight_file *files, size_t count, struct digest *d)
{
	struct hasher *h = hasher_new();
	for (size_t i = 0; i < count; i++) {
		if (i)
			hasher_update(h, "\n", 1);
		hasher_update(h, digest_hex(&files[i].digest), DIGEST_HEX_LEN);
		hasher_update(h, "  ", 2);
		hasher_update(h, files[i].path, strlen(files[i].path));
	}
	hasher_final(h, d);
	hasher_free(h);
}

static bool is_tag_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

void weight_tag(char tag[WEIGHT_TAG_SIZE], const char *name, const struct digest *set_digest)
{
	char safe[TAG_NAME_MAX + 1];
	size_t len = 0;
	/* A hyphen is not doubled, and neither begins nor ends the name. */
	for (; *name && len < TAG_NAME_MAX; name++) {
		char c = is_tag_character(*name) ? *name : '-';
		if (c != '-' || (len && safe[len - 1] != '-'))
			safe[len++] = c;
	}
	if (len && safe[len - 1] == '-')
		len--;
	safe[len] = '\0';
	snprintf(tag, WEIGHT_TAG_SIZE, WEIGHT_TAG_PREFIX "%s.%.*s", len ? safe : "unnamed",
		 TAG_HEX_LEN, digest_hex(set_digest));
}

static int compare_layers(const void *a, const void *b)
{
	const struct weight_layer *x = a, *y = b;
	return strcmp(x->descriptor.digest.text, y->descriptor.digest.text);
}

void weight_sort_layers(struct weight *w)
{
	if (w->layer_count)
		qsort(w->layers, w->layer_count, sizeof *w->layers, compare_layers);
}

/* Writing */

static char *dump(json_t *root)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

char *weight_config(const struct weight *w)
{
	json_t *files = json_array();
	for (size_t i = 0; i < w->file_count; i++) {
		const struct weight_file *f = &w->files[i];
		json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:s}", "path", f->path, "layer",
						       f->layer.text, "size", (json_int_t)f->size,
						       "digest", f->digest.text));
	}
	if (json_array_size(files) != w->file_count) {
		json_decref(files);
		return NULL;
	}
	return dump(json_pack("{s:s, s:s, s:s, s:o}", "name", w->name, "target", w->target,
			      "setDigest", w->set_digest.text, "files", files));
}

static json_t *describe(const struct descriptor *d)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", d->media_type, "digest", d->digest.text,
			 "size", (json_int_t)d->size);
}

char *weight_manifest(const struct weight *w, const struct descriptor *config)
{
	json_t *layers = json_array();
	for (size_t i = 0; i < w->layer_count; i++) {
		char bytes[24];
		json_t *layer = describe(&w->layers[i].descriptor);
		snprintf(bytes, sizeof bytes, "%" PRId64, w->layers[i].file_bytes);
		json_object_set_new(layer, "annotations", json_pack("{s:s}", NOTE_FILE_BYTES, bytes));
		json_array_append_new(layers, layer);
	}
	return dump(json_pack("{s:i, s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s}}", "schemaVersion", 2,
			      "mediaType", MEDIA_TYPE_MANIFEST, "artifactType", MEDIA_TYPE_WEIGHT,
			      "config", describe(config), "layers", layers, "annotations", NOTE_NAME,
			      w->name, NOTE_TARGET, w->target, NOTE_SET_DIGEST, w->set_digest.text));
}

/* Reading */

char *weight_name(const char *manifest, size_t len)
{
	struct error ignored;
	json_t *root = json_parse("manifest", manifest, len, &ignored);
	const char *type = json_text(root, "artifactType");
	const char *name = json_text(json_object_get(root, "annotations"), NOTE_NAME);
	char *copy = type && name && strcmp(type, MEDIA_TYPE_WEIGHT) == 0 ? strdup(name) : NULL;
	json_decref(root);
	return copy;
}

static int64_t read_decimal(const char *text)
{
	char *end = NULL;
	long long value = text && *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
	return end && !*end ? value : -1;
}

static int read_notes(struct weight *w, const json_t *root, struct error *e)
{
	const json_t *notes = json_object_get(root, "annotations");
	const char *name = json_text(notes, NOTE_NAME), *target = json_text(notes, NOTE_TARGET);
	if (!name || !target || digest_parse(&w->set_digest, json_text(notes, NOTE_SET_DIGEST)))
		return error_set(e, STATUS_DATA,
				 "the manifest lacks one of the annotations " NOTE_NAME ", " NOTE_TARGET
				 ", " NOTE_SET_DIGEST);
	w->name = strdup(name);
	w->target = strdup(target);
	return w->name && w->target ? 0 : error_errno(e, "memory");
}

static int read_layers(struct weight *w, const struct manifest *m, const json_t *root,
		       struct error *e)
{
	const json_t *list = json_list(root, "layers");
	if (weight_init(w, 0, m->count, e))
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		const json_t *notes = json_object_get(json_array_get(list, i), "annotations");
		struct weight_layer *layer = &w->layers[i];
		layer->descriptor = m->items[i];
		layer->file_bytes = read_decimal(json_text(notes, NOTE_FILE_BYTES));
		if (layer->file_bytes < 0)
			return error_set(e, STATUS_DATA,
					 "layer %s lacks the annotation " NOTE_FILE_BYTES,
					 layer->descriptor.digest.text);
		if (i && compare_layers(layer - 1, layer) >= 0)
			return error_set(e, STATUS_DATA, "the layers are not sorted by digest");
	}
	return 0;
}

int weight_parse(struct weight *w, const char *manifest, size_t len, struct descriptor *config,
		 struct error *e)
{
	struct manifest m;
	*w = (struct weight){0};
	json_t *root = NULL;
	int rc = -1;
	if (manifest_parse(&m, "the manifest", manifest, len, e))
		goto out;
	root = json_parse("the manifest", manifest, len, e);
	const char *type = json_text(root, "artifactType");
	if (!type || strcmp(type, MEDIA_TYPE_WEIGHT) != 0 || !m.has_config ||
	    strcmp(m.config.media_type, MEDIA_TYPE_WEIGHT_CONFIG) != 0) {
		error_set(e, STATUS_DATA, "it is no weight: its type is '%.80s', that of its config '%.80s'",
			  type ? type : "", m.config.media_type);
		goto out;
	}
	*config = m.config;
	rc = read_layers(w, &m, root, e) || read_notes(w, root, e) ? -1 : 0;
out:
	json_decref(root);
	manifest_release(&m);
	return rc;
}

static int read_file(struct weight_file *f, const json_t *object, struct error *e)
{
	const char *path = json_text(object, "path");
	if (!path || digest_parse(&f->digest, json_text(object, "digest")) ||
	    digest_parse(&f->layer, json_text(object, "layer")) ||
	    (f->size = json_size(object, "size")) < 0)
		return error_set(e, STATUS_DATA, "the config: a file lacks a path, size, digest or layer");
	f->path = strdup(path);
	return f->path ? 0 : error_errno(e, "memory");
}

static int read_files(struct weight *w, const json_t *list, struct error *e)
{
	size_t count = json_array_size(list);
	if (count > WEIGHT_FILES_MAX)
		return error_set(e, STATUS_DATA, "the config: more than %d files", WEIGHT_FILES_MAX);
	free(w->files);
	w->files = calloc(count ? count : 1, sizeof *w->files);
	if (!w->files)
		return error_errno(e, "memory");
	for (; w->file_count < count; w->file_count++) {
		struct weight_file *f = &w->files[w->file_count];
		if (read_file(f, json_array_get(list, w->file_count), e))
			return -1;
		if (w->file_count && strcmp(f[-1].path, f->path) >= 0) {
			error_set(e, STATUS_DATA, "the config: its files are not sorted by path");
			free(f->path);
			return -1;
		}
	}
	return 0;
}

static bool is_same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

int weight_parse_config(struct weight *w, const char *config, size_t len, struct error *e)
{
	struct digest real;
	json_t *root = json_parse("the config", config, len, e);
	if (!root)
		return -1;
	int rc = read_files(w, json_list(root, "files"), e);
	if (rc == 0 && (!is_same(json_text(root, "name"), w->name) ||
			!is_same(json_text(root, "target"), w->target) ||
			!is_same(json_text(root, "setDigest"), w->set_digest.text)))
		rc = error_set(e, STATUS_DATA, "name, target or set digest differ in manifest and config");
	json_decref(root);
	weight_set_digest(w->files, w->file_count, &real);
	if (rc == 0 && !digest_equal(&real, &w->set_digest))
		rc = error_set(e, STATUS_DATA, "the set digest is %s, of the files in the config it is %s",
			       w->set_digest.text, real.text);
	return rc;
}
