/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptor.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *kind_name(enum kind kind)
{
	static const char *const names[] = {
		[KIND_LAYER] = "layer",
		[KIND_CONFIG] = "config",
		[KIND_MANIFEST] = "manifest",
		[KIND_INDEX] = "index",
	};
	return names[kind];
}

static bool is_index_type(const char *type)
{
	return strcmp(type, MEDIA_TYPE_INDEX) == 0 || strcmp(type, MEDIA_TYPE_DOCKER_LIST) == 0;
}

static bool is_manifest_type(const char *type)
{
	return strcmp(type, MEDIA_TYPE_MANIFEST) == 0 ||
	       strcmp(type, MEDIA_TYPE_DOCKER_MANIFEST) == 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static void read_platform(struct descriptor *d, const json_t *platform)
{
	const char *os = json_text(platform, "os");
	const char *arch = json_text(platform, "architecture");
	const char *variant = json_text(platform, "variant");
	if (os && arch)
		snprintf(d->platform, sizeof d->platform, "%.20s/%.20s%s%.20s", os, arch,
			 variant && *variant ? "/" : "", variant ? variant : "");
}

static int read_descriptor(struct descriptor *d, const json_t *object, const char *name,
			   struct error *e)
{
	*d = (struct descriptor){.kind = KIND_LAYER};
	const char *type = json_text(object, "mediaType");
	if (type && strlen(type) >= sizeof d->media_type)
		return error_set(e, STATUS_DATA, "%s: mediaType too long", name);
	copy_text(d->media_type, sizeof d->media_type, type);
	const char *digest = json_text(object, "digest");
	if (digest_parse(&d->digest, digest))
		return error_set(e, STATUS_DATA, "%s: not a sha256 digest: '%.100s'", name,
				 digest ? digest : "");
	d->size = json_size(object, "size");
	if (d->size < 0)
		return error_set(e, STATUS_DATA, "%s: %s has no valid size", name, d->digest.text);
	d->has_urls = json_array_size(json_object_get(object, "urls")) > 0;
	read_platform(d, json_object_get(object, "platform"));
	const json_t *notes = json_object_get(object, "annotations");
	copy_text(d->ref_name, sizeof d->ref_name, json_text(notes, ANNOTATION_REF_NAME));
	copy_text(d->image_name, sizeof d->image_name, json_text(notes, ANNOTATION_IMAGE_NAME));
	return 0;
}

static int read_items(struct manifest *m, const json_t *list, const char *name, struct error *e)
{
	size_t count = json_array_size(list);
	if (count > DESCRIPTOR_ITEMS_MAX)
		return error_set(e, STATUS_DATA, "%s: %zu entries; the limit is %d", name, count,
				 DESCRIPTOR_ITEMS_MAX);
	m->items = calloc(count ? count : 1, sizeof *m->items);
	if (!m->items)
		return error_errno(e, "memory");
	for (size_t i = 0; i < count; i++) {
		struct descriptor *d = &m->items[i];
		if (read_descriptor(d, json_array_get(list, i), name, e))
			return -1;
		m->count++;
		if (m->is_index)
			d->kind = is_index_type(d->media_type) ? KIND_INDEX : KIND_MANIFEST;
	}
	return 0;
}

static int read_root(struct manifest *m, const json_t *root, const char *name, struct error *e)
{
	const char *type = json_text(root, "mediaType");
	const json_t *entries = json_list(root, "manifests");
	const json_t *layers = json_list(root, "layers");
	const json_t *config = json_object_get(root, "config");
	m->is_index = type && *type ? is_index_type(type) : entries != NULL;
	if (type && *type && !m->is_index && !is_manifest_type(type))
		return error_set(e, STATUS_DATA, "%s: not a manifest: mediaType '%.100s'", name, type);
	/* Docker 25 wrote "manifests": null (moby#47210). */
	bool has_null = json_is_null(json_object_get(root, "manifests"));
	m->is_index = m->is_index || has_null;
	if (m->is_index ? !entries && !has_null : !layers || !json_is_object(config))
		return error_set(e, STATUS_DATA, "%s: neither a manifest nor an index", name);
	copy_text(m->media_type, sizeof m->media_type,
		  type && *type ? type : m->is_index ? MEDIA_TYPE_INDEX : MEDIA_TYPE_MANIFEST);
	if (!m->is_index) {
		if (read_descriptor(&m->config, config, name, e))
			return -1;
		m->has_config = true;
		m->config.kind = KIND_CONFIG;
	}
	return read_items(m, m->is_index ? entries : layers, name, e);
}

int manifest_parse(struct manifest *m, const char *name, const char *text, size_t len,
		   struct error *e)
{
	*m = (struct manifest){0};
	json_t *root = json_parse(name, text, len, e);
	if (!root)
		return -1;
	int rc = read_root(m, root, name, e);
	json_decref(root);
	return rc;
}

void manifest_release(struct manifest *m)
{
	free(m->items);
	*m = (struct manifest){0};
}

bool descriptor_is_media_type(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
	static const char marks[] = "!#$&-^_.+";
	size_t type = strspn(text, letters);
	if (type == 0 || text[type] != '/')
		return false;
	const char *subtype = text + type + 1;
	size_t len = strspn(subtype, letters);
	return len > 0 && !subtype[len] && !strchr(marks, *text) && !strchr(marks, *subtype) &&
	       type + 1 + len < MEDIA_TYPE_SIZE;
}

const char *descriptor_name(const struct descriptor *d)
{
	return *d->image_name ? d->image_name : d->ref_name;
}

void manifest_list_names(const struct manifest *index, char *to, size_t size)
{
	size_t len = 0;
	*to = '\0';
	for (size_t i = 0; i < index->count && len < size; i++) {
		const struct descriptor *d = &index->items[i];
		const char *name = descriptor_name(d);
		int n = snprintf(to + len, size - len, "%s%s", i ? ", " : "",
				 *name ? name : d->digest.text);
		len += n > 0 ? (size_t)n : 0;
	}
}

bool manifest_is_image(const struct manifest *m)
{
	return m->has_config &&
	       (strcmp(m->config.media_type, MEDIA_TYPE_CONFIG) == 0 ||
		strcmp(m->config.media_type, MEDIA_TYPE_DOCKER_CONFIG) == 0);
}
