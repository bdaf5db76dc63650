/* SPDX-License-Identifier: Apache-2.0 */
#include "dockertar.h"

#include "event.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_FILE "manifest.json"

static void release_image(struct docker_image *image)
{
	for (size_t i = 0; i < image->name_count; i++)
		free(image->names[i]);
	for (size_t i = 0; i < image->layer_count; i++)
		free(image->layers[i].foreign);
	free(image->names);
	free(image->layers);
	free(image->platform);
}

void docker_images_release(struct docker_images *d)
{
	for (size_t i = 0; i < d->count; i++)
		release_image(&d->list[i]);
	free(d->list);
	*d = (struct docker_images){0};
}

/* Reads a stored JSON member with a cap. */
static json_t *read_json(struct members *t, const struct member *m, size_t max, struct error *e)
{
	struct buffer text;
	json_t *root = NULL;
	buffer_init(&text, max);
	if (!m->is_stored || m->packed.is_packed)
		error_set(e, STATUS_DATA, "%.200s: not JSON of at most %zu bytes", m->path, max);
	else if (member_read(t, m, &text, e) == 0)
		root = json_parse(m->path, text.data, text.len, e);
	buffer_release(&text);
	return root;
}

static int read_names(struct docker_image *image, const json_t *tags, struct error *e)
{
	size_t count = json_array_size(tags);
	image->names = calloc(count ? count : 1, sizeof *image->names);
	if (!image->names)
		return error_errno(e, "memory");
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(tags, i));
		if (!name)
			return error_set(e, STATUS_DATA, MANIFEST_FILE ": a tag is no text");
		image->names[i] = strdup(name);
		if (!image->names[i])
			return error_errno(e, "memory");
		image->name_count++;
	}
	return 0;
}

static char *read_platform(const json_t *config)
{
	static const char *const keys[] = {"architecture", "os", "os.version", "variant"};
	json_t *platform = json_object();
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *value = json_text(config, keys[i]);
		if (value && *value)
			json_object_set_new(platform, keys[i], json_string(value));
	}
	char *text = NULL;
	if (json_object_get(platform, "os") && json_object_get(platform, "architecture"))
		text = json_dumps(platform, JSON_COMPACT);
	json_decref(platform);
	return text;
}

/* The descriptor of a layer whose bytes are elsewhere: Docker 25 lists all layers in LayerSources,
 * so only one with a foreign media type and urls counts. */
static char *read_foreign(const json_t *sources, const char *diff_id)
{
	const json_t *source = json_object_get(sources, diff_id);
	const char *type = json_text(source, "mediaType");
	if (!type || json_array_size(json_object_get(source, "urls")) == 0)
		return NULL;
	if (!strstr(type, "foreign") && !strstr(type, "nondistributable"))
		return NULL;
	return json_dumps(source, JSON_COMPACT);
}

static int read_layer(struct docker_layer *layer, struct members *t, const json_t *path,
		      const json_t *diff_id, struct error *e)
{
	if (digest_parse(&layer->diff_id, json_string_value(diff_id)))
		return error_set(e, STATUS_DATA, "the config has a diffId that is no sha256 digest");
	if (layer->foreign)
		return 0;
	if (!json_is_string(path))
		return error_set(e, STATUS_DATA, MANIFEST_FILE ": a layer is no text");
	layer->member = members_find(t, json_string_value(path), "layer", e);
	if (!layer->member)
		return -1;
	enum encoding encoding = layer->member->encoding;
	layer->member->is_wanted = true;
	layer->member->diff_id = &layer->diff_id;
	layer->member->packing =
		encoding == ENCODING_GZIP || encoding == ENCODING_ZSTD ? PACK_KEEP : PACK_COMPRESS;
	return 0;
}

static int read_layers(struct docker_image *image, struct members *t, const json_t *entry,
		       const json_t *config, struct error *e)
{
	const json_t *paths = json_object_get(entry, "Layers");
	const json_t *sources = json_object_get(entry, "LayerSources");
	const json_t *diff_ids = json_list(json_object_get(config, "rootfs"), "diff_ids");
	size_t count = json_array_size(paths);
	if (count != json_array_size(diff_ids))
		return error_set(e, STATUS_DATA, "%.200s: %zu layers in " MANIFEST_FILE
				 ", %zu diffIds in the config", image->config->path, count,
				 json_array_size(diff_ids));
	if (count > DESCRIPTOR_ITEMS_MAX)
		return error_set(e, STATUS_DATA, MANIFEST_FILE ": %zu layers", count);
	image->layers = calloc(count ? count : 1, sizeof *image->layers);
	if (!image->layers)
		return error_errno(e, "memory");
	for (size_t i = 0; i < count; i++) {
		const json_t *diff_id = json_array_get(diff_ids, i);
		image->layer_count++;
		if (json_is_string(diff_id))
			image->layers[i].foreign =
				read_foreign(sources, json_string_value(diff_id));
		if (read_layer(&image->layers[i], t, json_array_get(paths, i), diff_id, e))
			return -1;
	}
	return 0;
}

/* A member named by its digest must have it. */
static int check_named(const struct member *m, struct error *e)
{
	static const char prefix[] = "blobs/sha256/";
	struct digest named = {0};
	char text[DIGEST_TEXT_LEN + 1];
	if (strncmp(m->path, prefix, sizeof prefix - 1) != 0)
		return 0;
	snprintf(text, sizeof text, "sha256:%.64s", m->path + sizeof prefix - 1);
	if (digest_parse(&named, text) == 0 && !digest_equal(&named, &m->packed.raw))
		return error_set(e, STATUS_DATA, "%s: its bytes have the digest %s", m->path,
				 m->packed.raw.text);
	return 0;
}

static int read_image(struct docker_image *image, struct members *t, const json_t *entry,
		      struct error *e)
{
	const char *path = json_text(entry, "Config");
	if (!path)
		return error_set(e, STATUS_DATA, MANIFEST_FILE ": an image has no Config");
	image->config = members_find(t, path, "config", e);
	if (!image->config || read_names(image, json_object_get(entry, "RepoTags"), e))
		return -1;
	json_t *config = read_json(t, image->config, JSON_CONFIG_MAX, e);
	if (!config)
		return -1;
	image->config->is_wanted = true;
	image->config->packing = PACK_KEEP;
	image->platform = read_platform(config);
	int rc = check_named(image->config, e);
	if (rc == 0)
		rc = read_layers(image, t, entry, config, e);
	json_decref(config);
	return rc;
}

/* Whether SELECTOR (NULL: all) means the entry of manifest.json. */
static bool is_selected(struct members *t, const json_t *entry, const char *selector)
{
	const json_t *tags = json_object_get(entry, "RepoTags");
	struct digest id;
	if (!selector)
		return true;
	if (digest_parse(&id, selector) == 0) {
		const char *path = json_text(entry, "Config");
		const struct member *config = path ? members_look(t, path) : NULL;
		return config && config->is_stored && digest_equal(&config->packed.raw, &id);
	}
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *name = json_string_value(json_array_get(tags, i));
		if (name && layout_name_matches(selector, name))
			return true;
	}
	return false;
}

static int not_found(const json_t *root, const char *selector, struct error *e)
{
	char names[300] = "";
	size_t len = 0;
	for (size_t i = 0; i < json_array_size(root); i++) {
		const json_t *tags = json_object_get(json_array_get(root, i), "RepoTags");
		for (size_t k = 0; k < json_array_size(tags) && len < sizeof names; k++) {
			const char *name = json_string_value(json_array_get(tags, k));
			int n = snprintf(names + len, sizeof names - len, "%s%s", len ? ", " : "",
					 name ? name : "?");
			len += n > 0 ? (size_t)n : 0;
		}
	}
	return error_set(e, STATUS_FAILED, "no image '%.100s' in the tar; there are: %s", selector,
			 *names ? names : "images without a name");
}

static int select_images(struct docker_images *d, struct members *t, const json_t *root,
			 const char *selector, struct error *e)
{
	size_t count = json_array_size(root);
	if (count == 0)
		return error_set(e, STATUS_DATA, MANIFEST_FILE ": it names no image");
	if (count > DESCRIPTOR_ITEMS_MAX)
		return error_set(e, STATUS_DATA, MANIFEST_FILE ": %zu images", count);
	d->list = calloc(count, sizeof *d->list);
	if (!d->list)
		return error_errno(e, "memory");
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(root, i);
		if (is_selected(t, entry, selector) && read_image(&d->list[d->count++], t, entry, e))
			return -1;
	}
	return d->count ? 0 : not_found(root, selector, e);
}

int docker_images_select(struct docker_images *d, struct members *t, const char *selector,
			 struct error *e)
{
	*d = (struct docker_images){0};
	const struct member *m = members_find(t, MANIFEST_FILE, "file", e);
	json_t *root = m ? read_json(t, m, JSON_INDEX_MAX, e) : NULL;
	if (!root)
		return -1;
	int rc = json_is_array(root) ? select_images(d, t, root, selector, e)
				     : error_set(e, STATUS_DATA, MANIFEST_FILE ": not a list of images");
	json_decref(root);
	return rc;
}

bool docker_images_have_plain_layers(const struct docker_images *d)
{
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < d->list[i].layer_count; k++)
			if (d->list[i].layers[k].member &&
			    d->list[i].layers[k].member->packing == PACK_COMPRESS)
				return true;
	return false;
}

/* Where the bytes were not read, they are taken to be what the config, or their name, says. */
static const struct known_layer *find_known(const struct docker_layer *layer,
					    const struct members *t)
{
	const struct member *m = layer->member;
	if (m->packing == PACK_COMPRESS)
		return m->is_dropped && !digest_equal(&m->packed.raw, &layer->diff_id)
			       ? NULL
			       : known_by_diff_id(t->known, &layer->diff_id,
						  t->compression.codec != CODEC_NONE);
	const struct known_layer *known = member_find_known(t, m);
	return known && digest_equal(&known->diff_id, &layer->diff_id) ? known : NULL;
}

void docker_images_take_known(struct docker_images *d, struct members *t)
{
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < d->list[i].layer_count; k++) {
			const struct docker_layer *layer = &d->list[i].layers[k];
			bool is_open = !layer->foreign && !layer->member->is_stored;
			const struct known_layer *known = is_open ? find_known(layer, t) : NULL;
			if (known)
				member_take(t, layer->member, known);
		}
}

/* Sets TO, a descriptor's platform, to "os/arch[/variant]", if known. */
static void name_platform(const struct docker_image *image, struct descriptor *to)
{
	struct error ignored;
	json_t *platform = image->platform ? json_parse("", image->platform,
							strlen(image->platform), &ignored)
					   : NULL;
	if (platform) {
		const char *variant = json_text(platform, "variant");
		snprintf(to->platform, sizeof to->platform, "%.20s/%.20s%s%.20s",
			 json_text(platform, "os"), json_text(platform, "architecture"),
			 variant ? "/" : "", variant ? variant : "");
	}
	json_decref(platform);
}

static int list_layers(const struct docker_image *image, struct error *e)
{
	for (size_t i = 0; i < image->layer_count; i++)
		if (!image->layers[i].foreign && event_layer(NULL, &image->layers[i].diff_id, e))
			return -1;
	return 0;
}

int docker_images_list(const struct docker_images *d, bool has_layers, struct error *e)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct docker_image *image = &d->list[i];
		struct descriptor config = {.kind = KIND_CONFIG};
		config.digest = image->config->packed.raw;
		name_platform(image, &config);
		if (event_source(&config, (const char *const *)image->names, image->name_count, e))
			return -1;
		if (has_layers && list_layers(image, e))
			return -1;
	}
	return 0;
}

/* Verifies and publishes one layer; returns its descriptor as JSON, NULL on error. */
static json_t *build_layer(struct docker_layer *layer, size_t number, struct members *t,
			   struct publisher *p, struct error *e)
{
	struct descriptor d;
	struct member *m = layer->member;
	if (layer->foreign)
		return json_parse("LayerSources", layer->foreign, strlen(layer->foreign), e);
	if (m->is_stored && member_repack(t, m, e))
		return NULL;
	if (member_check_layer(m, number, m->path, &layer->diff_id, e))
		return NULL;
	publish_describe_layer(m, &d);
	if (publish_member(p, m, &d, e))
		return NULL;
	return json_pack("{s:s, s:s, s:I}", "mediaType", d.media_type, "digest", d.digest.text,
			 "size", (json_int_t)d.size);
}

static json_t *build_layers(struct docker_image *image, struct members *t, struct publisher *p,
			    struct error *e)
{
	json_t *layers = json_array();
	for (size_t i = 0; i < image->layer_count; i++) {
		json_t *layer = build_layer(&image->layers[i], i + 1, t, p, e);
		if (!layer) {
			json_decref(layers);
			return NULL;
		}
		json_array_append_new(layers, layer);
	}
	return layers;
}

static int build_image(struct docker_image *image, struct members *t, struct publisher *p,
		       struct error *e)
{
	struct descriptor config = {.kind = KIND_CONFIG, .media_type = MEDIA_TYPE_CONFIG};
	char *text = NULL;
	int rc = -1;
	json_t *layers = build_layers(image, t, p, e);
	if (!layers || member_repack(t, image->config, e)) {
		json_decref(layers);
		return -1;
	}
	config.digest = image->config->packed.blob;
	config.size = image->config->packed.blob_size;
	json_t *manifest = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:o}", "schemaVersion", 2,
				     "mediaType", MEDIA_TYPE_MANIFEST, "config", "mediaType",
				     MEDIA_TYPE_CONFIG, "digest", config.digest.text, "size",
				     (json_int_t)config.size, "layers", layers);
	if (manifest)
		text = json_dumps(manifest, JSON_COMPACT);
	json_decref(manifest);
	if (!text)
		return error_errno(e, "memory");
	image->manifest = (struct descriptor){.kind = KIND_MANIFEST, .media_type = MEDIA_TYPE_MANIFEST};
	if (publish_member(p, image->config, &config, e) == 0 &&
	    publish_text(p, text, strlen(text), &image->manifest, e) == 0)
		rc = 0;
	free(text);
	name_platform(image, &image->manifest);
	return rc;
}

int docker_images_build(struct docker_images *d, struct members *t, struct publisher *p,
			struct error *e)
{
	for (size_t i = 0; i < d->count; i++)
		if (build_image(&d->list[i], t, p, e))
			return -1;
	return 0;
}

/* The entry of index.json for one name (NULL: none). The caller frees it. */
static char *index_entry(const struct docker_image *image, const char *name)
{
	struct error ignored;
	json_t *entry = json_pack("{s:s, s:s, s:I}", "mediaType", image->manifest.media_type,
				  "digest", image->manifest.digest.text, "size",
				  (json_int_t)image->manifest.size);
	if (entry && image->platform)
		json_object_set_new(entry, "platform",
				    json_parse("", image->platform, strlen(image->platform),
					       &ignored));
	if (entry && name)
		json_object_set_new(entry, "annotations",
				    json_pack("{s:s}", ANNOTATION_REF_NAME, name));
	char *text = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
	json_decref(entry);
	return text;
}

static int add_image(const struct docker_image *image, struct layout *l, struct error *e)
{
	size_t count = image->name_count ? image->name_count : 1;
	char **entries = calloc(count, sizeof *entries);
	if (!entries)
		return error_errno(e, "memory");
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		entries[i] = index_entry(image, image->name_count ? image->names[i] : NULL);
		if (!entries[i])
			rc = error_errno(e, "memory");
	}
	if (rc == 0)
		rc = layout_add_images(l, (const char *const *)entries, count, e);
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return rc ? rc : event_image(&image->manifest, (const char *const *)image->names,
				     image->name_count, e);
}

int docker_images_finish(const struct docker_images *d, struct layout *l, struct error *e)
{
	for (size_t i = 0; i < d->count; i++)
		if (add_image(&d->list[i], l, e))
			return -1;
	return 0;
}
