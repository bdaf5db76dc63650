/* SPDX-License-Identifier: Apache-2.0 */
#include "revision.h"

#include "composition.h"
#include "entry.h"
#include "event.h"
#include "json.h"
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NON_DISTRIBUTABLE "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define DOCKER_FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

/* How BuildKit marks what it says about an image, in the index that names both. */
#define ATTESTATION_KEY "vnd.docker.reference.type"
#define ATTESTATION "attestation-manifest"

enum { NESTING_MAX = 4 }; /* indexes inside indexes, as -i looks into them */

/* The manifest or index D, parsed into M and as a tree, NULL after a failure. The caller releases both. */
static json_t *read_document(const struct layout *l, const struct descriptor *d, struct manifest *m,
			     struct error *e)
{
	struct buffer text;
	json_t *root = NULL;
	buffer_init(&text, JSON_MANIFEST_MAX);
	*m = (struct manifest){0};
	if (layout_read_blob(l, &d->digest, &text, e) == 0 &&
	    manifest_parse(m, d->digest.text, text.data, text.len, e) == 0)
		root = json_parse(d->digest.text, text.data, text.len, e);
	buffer_release(&text);
	return root;
}

/* --- One platform ---------------------------------------------------------------------------- */

struct choice {
	const struct layout *layout;
	const struct platform *wanted;
	struct descriptor found;
	struct platform platform; /* its own */
	int count;		  /* of those that fit equally well */
	char names[300];	  /* all platforms that are there */
};

static void format_platform(const struct platform *p, char *to, size_t size)
{
	snprintf(to, size, "%s/%s%s%s", p->os, p->architecture, *p->variant ? "/" : "", p->variant);
}

/* How well P fits: 0 not, 2 just so. Without a variant any will do; the first that there was of arm64,
 * v8, is often left out. */
static int fit(const struct platform *wanted, const struct platform *p)
{
	if (strcmp(wanted->os, p->os) != 0 || strcmp(wanted->architecture, p->architecture) != 0)
		return 0;
	if (strcmp(wanted->variant, p->variant) == 0)
		return 2;
	bool is_same = strcmp(p->architecture, "arm64") == 0 && !*p->variant &&
		       strcmp(wanted->variant, "v8") == 0;
	return !*wanted->variant || is_same;
}

/* One that comes twice is one. */
static void consider(struct choice *c, const struct descriptor *d, const struct platform *p)
{
	char name[128];
	size_t len = strlen(c->names);
	int how = fit(c->wanted, p), best = c->count ? fit(c->wanted, &c->platform) : 0;
	format_platform(p, name, sizeof name);
	if (len + strlen(name) + 3 < sizeof c->names && !strstr(c->names, name))
		snprintf(c->names + len, sizeof c->names - len, "%s%s", len ? ", " : "", name);
	if (how > best) {
		c->found = *d;
		c->platform = *p;
		c->count = 1;
	} else if (how && how == best && !digest_equal(&d->digest, &c->found.digest)) {
		c->count++;
	}
}

static int look_into(struct choice *c, const struct descriptor *d, int depth, struct error *e);

/* ENTRY is how an index has D. What says no platform there says it in its config, if it is an image. */
static int look_at(struct choice *c, const struct descriptor *d, const json_t *entry, int depth,
		   struct error *e)
{
	struct platform p;
	if (d->kind == KIND_INDEX)
		return layout_has_blob(c->layout, &d->digest, NULL) ? look_into(c, d, depth + 1, e) : 0;
	if (platform_read(&p, json_object_get(entry, "platform")))
		consider(c, d, &p);
	else if (layout_has_blob(c->layout, &d->digest, NULL))
		return look_into(c, d, depth + 1, e);
	return 0;
}

static int look_into(struct choice *c, const struct descriptor *d, int depth, struct error *e)
{
	struct manifest m;
	struct platform p;
	json_t *root = read_document(c->layout, d, &m, e);
	int rc = root ? 0 : -1;
	if (rc == 0 && depth > NESTING_MAX)
		rc = error_set(e, STATUS_DATA, "%s: indexes nested too deep", d->digest.text);
	const json_t *entries = json_list(root, "manifests");
	for (size_t i = 0; rc == 0 && m.is_index && i < m.count; i++)
		rc = look_at(c, &m.items[i], json_array_get(entries, i), depth, e);
	if (rc == 0 && manifest_is_image(&m)) {
		rc = composition_platform(c->layout, &m.config, &p, e);
		if (rc > 0)
			consider(c, d, &p);
	}
	json_decref(root);
	manifest_release(&m);
	return rc < 0 ? -1 : 0;
}

/* Sets D, the root, to the manifest for WANTED. */
static int choose(const struct layout *l, const struct platform *wanted, struct descriptor *d,
		  struct error *e)
{
	struct choice c = {.layout = l, .wanted = wanted};
	char name[128];
	format_platform(wanted, name, sizeof name);
	if (look_into(&c, d, 0, e))
		return -1;
	if (c.count == 0)
		return error_set(e, STATUS_FAILED, "no image for %s: there is %s", name,
				 *c.names ? c.names : "none that says what it is for");
	if (c.count > 1)
		return error_set(e, STATUS_FAILED, "several images for %s: there is %s", name, c.names);
	if (!layout_has_blob(l, &c.found.digest, NULL))
		return error_set(e, STATUS_DATA, "the image for %s, %s, is not in it, only its name", name,
				 c.found.digest.text);
	*d = c.found;
	return 0;
}

/* --- Attestations ---------------------------------------------------------------------------- */

static bool is_attestation(const json_t *entry)
{
	const char *type = json_text(json_object_get(entry, "annotations"), ATTESTATION_KEY);
	return type && strcmp(type, ATTESTATION) == 0;
}

/* Whether there were any. */
static bool drop_attestations(json_t *root)
{
	json_t *entries = json_list(root, "manifests");
	bool is_changed = false;
	for (size_t i = json_array_size(entries); i-- > 0;)
		if (is_attestation(json_array_get(entries, i))) {
			json_array_remove(entries, i);
			is_changed = true;
		}
	return is_changed;
}

/* --- Docker's types -------------------------------------------------------------------------- */

static bool is_docker_type(const char *type)
{
	return strcmp(type, MEDIA_TYPE_DOCKER_MANIFEST) == 0 || strcmp(type, MEDIA_TYPE_DOCKER_LIST) == 0;
}

/* NULL where docker has none. */
static const char *docker_layer_type(const char *type)
{
	static const char *const types[][2] = {
		{MEDIA_TYPE_LAYER, MEDIA_TYPE_DOCKER_LAYER},
		{MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_DOCKER_LAYER ".gzip"},
		{NON_DISTRIBUTABLE "+gzip", DOCKER_FOREIGN},
		{MEDIA_TYPE_DOCKER_LAYER, MEDIA_TYPE_DOCKER_LAYER},
		{MEDIA_TYPE_DOCKER_LAYER ".gzip", MEDIA_TYPE_DOCKER_LAYER ".gzip"},
		{DOCKER_FOREIGN, DOCKER_FOREIGN},
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(type, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

static json_t *describe(const char *media_type, const struct descriptor *d)
{
	return json_pack("{s:s, s:I, s:s}", "mediaType", media_type, "size", (json_int_t)d->size,
			 "digest", d->digest.text);
}

/* ROOT is the manifest M as JSON. */
static json_t *docker_manifest(const char *name, const struct manifest *m, const json_t *root,
			       struct error *e)
{
	const json_t *layers = json_list(root, "layers");
	if (!manifest_is_image(m)) {
		error_set(e, STATUS_DATA, "%s: no image: docker has no types for it", name);
		return NULL;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < m->count; i++) {
		const char *type = docker_layer_type(m->items[i].media_type);
		json_t *urls = json_object_get(json_array_get(layers, i), "urls");
		if (!type) {
			json_decref(list);
			error_set(e, STATUS_DATA, "%s: docker has no type for a layer of %s", name,
				  m->items[i].media_type);
			return NULL;
		}
		json_t *layer = describe(type, &m->items[i]);
		if (urls)
			json_object_set(layer, "urls", urls);
		json_array_append_new(list, layer);
	}
	return json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType",
			 MEDIA_TYPE_DOCKER_MANIFEST, "config",
			 describe(MEDIA_TYPE_DOCKER_CONFIG, &m->config), "layers", list);
}

/* The same for one that an index names. What is made is stored, and D is about it. */
static int convert_child(struct layout *l, struct descriptor *d, struct error *e)
{
	struct manifest m;
	json_t *root = read_document(l, d, &m, e), *converted = NULL;
	char *text = NULL;
	int rc = -1;
	if (root && m.is_index)
		error_set(e, STATUS_DATA, "%s: an index in an index: docker has none", d->digest.text);
	else if (root)
		converted = docker_manifest(d->digest.text, &m, root, e);
	if (converted)
		text = json_dumps(converted, JSON_COMPACT);
	if (text) {
		d->size = (int64_t)strlen(text);
		snprintf(d->media_type, sizeof d->media_type, MEDIA_TYPE_DOCKER_MANIFEST);
		rc = layout_put(l, text, strlen(text), &d->digest, e) || event_blob(d, NULL, -1, e) ? -1 : 0;
	}
	free(text);
	json_decref(converted);
	json_decref(root);
	manifest_release(&m);
	return rc;
}

static json_t *docker_list(struct layout *l, const struct manifest *m, const json_t *root,
			   struct error *e)
{
	const json_t *entries = json_list(root, "manifests");
	json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(entries); i++) {
		struct descriptor d = m->items[i];
		struct platform p;
		if (!platform_read(&p, json_object_get(json_array_get(entries, i), "platform"))) {
			error_set(e, STATUS_DATA, "%s: it says no platform, which docker's lists need",
				  d.digest.text);
			json_decref(list);
			return NULL;
		}
		if (convert_child(l, &d, e)) {
			json_decref(list);
			return NULL;
		}
		json_t *entry = describe(d.media_type, &d);
		platform_write(&p, entry);
		json_array_append_new(list, entry);
	}
	return json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType", MEDIA_TYPE_DOCKER_LIST,
			 "manifests", list);
}

/* Replaces *ROOT. */
static int use_docker_types(struct layout *l, const char *name, json_t **root, struct error *e)
{
	struct manifest m = {0};
	json_t *converted = NULL;
	char *text = json_dumps(*root, JSON_COMPACT);
	if (!text)
		return error_errno(e, "memory");
	if (manifest_parse(&m, name, text, strlen(text), e) == 0)
		converted = m.is_index ? docker_list(l, &m, *root, e) : docker_manifest(name, &m, *root, e);
	manifest_release(&m);
	free(text);
	if (!converted)
		return -1;
	json_decref(*root);
	*root = converted;
	return 0;
}

/* --- All of them ----------------------------------------------------------------------------- */

static int store(struct layout *l, const struct descriptor *d, const json_t *root, struct error *e)
{
	const char *type = json_text(root, "mediaType");
	char *text = json_dumps(root, JSON_COMPACT);
	if (!text)
		return error_errno(e, "memory");
	const struct entry entry = {.text = text,
				    .media_type = type ? type : d->media_type,
				    .artifact_type = json_text(root, "artifactType"),
				    .kind = d->kind};
	int rc = entry_add(l, &entry, e);
	free(text);
	return rc;
}

int revision_make(struct layout *l, const struct revision *r, const struct descriptor *root,
		  struct error *e)
{
	struct descriptor d = *root;
	struct manifest m = {0};
	if (r->platform && choose(l, r->platform, &d, e))
		return -1;
	json_t *document = read_document(l, &d, &m, e);
	int rc = document ? 0 : -1;
	bool is_changed = false;
	if (rc == 0) {
		d.kind = m.is_index ? KIND_INDEX : KIND_MANIFEST;
		snprintf(d.media_type, sizeof d.media_type, "%s", m.media_type);
		is_changed = r->has_no_attestations && drop_attestations(document);
	}
	if (rc == 0 && r->is_docker && !is_docker_type(m.media_type)) {
		is_changed = true;
		rc = use_docker_types(l, d.digest.text, &document, e);
	}
	if (rc == 0 && r->annotations.count) {
		is_changed = true;
		annotations_write(&r->annotations, document);
	}
	program_trace("%s: %s", d.digest.text, is_changed ? "made into another" : "taken as it is");
	if (rc == 0)
		rc = is_changed ? store(l, &d, document, e) : event_image(&d, NULL, 0, e);
	json_decref(document);
	manifest_release(&m);
	return rc;
}
