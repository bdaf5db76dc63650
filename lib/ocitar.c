/* SPDX-License-Identifier: Apache-2.0 */
#include "ocitar.h"

#include "document.h"
#include "event.h"
#include "json.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_FILE "index.json"

enum { NESTING_MAX = 4 }; /* indexes inside indexes */

void oci_images_release(struct oci_images *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->list[i].entry);
	free(o->list);
	free(o->blobs);
	*o = (struct oci_images){0};
}

/* The leaves of an index: manifests that are there, whole, and those that are not. */
struct leaves {
	struct descriptor only; /* the last platform that is there */
	size_t platforms;	/* that are there */
	size_t absent;
	json_t *seen;	 /* the set of manifests and indexes that were counted */
	char names[300]; /* the platforms that are there */
};

static bool is_whole(struct members *t, const struct descriptor *d)
{
	struct manifest m;
	struct error ignored;
	bool is_there = document_read(t, d, &m, &ignored) == 0 && m.has_config &&
			members_blob(t, &m.config.digest);
	for (size_t i = 0; i < m.count && is_there; i++)
		is_there = m.items[i].has_urls || members_blob(t, &m.items[i].digest);
	manifest_release(&m);
	return is_there;
}

/* Whether an entry of a sparse index is kept. Inside an index the same is asked again. */
static bool is_kept(struct members *t, const struct descriptor *d)
{
	return d->kind == KIND_INDEX ? members_blob(t, &d->digest) != NULL : is_whole(t, d);
}

static void count_leaf(struct leaves *l, struct members *t, const struct descriptor *d)
{
	bool is_attestation = strcmp(d->platform, "unknown/unknown") == 0;
	if (!is_whole(t, d)) {
		l->absent++;
	} else if (!is_attestation) {
		size_t len = strlen(l->names);
		snprintf(l->names + len, sizeof l->names - len, "%s%s %s", len ? ", " : "",
			 *d->platform ? d->platform : "no platform", d->digest.text);
		l->only = *d;
		l->platforms++;
	}
}

static int count_leaves(struct leaves *l, struct members *t, const struct descriptor *d, int depth,
			struct error *e)
{
	struct manifest m;
	if (depth > NESTING_MAX)
		return error_set(e, STATUS_DATA, "%s: indexes nested too deep", d->digest.text);
	if (!json_set_add(l->seen, d->digest.text))
		return 0;
	if (d->kind == KIND_MANIFEST || !members_blob(t, &d->digest)) {
		count_leaf(l, t, d);
		return 0;
	}
	int rc = document_read(t, d, &m, e);
	for (size_t i = 0; i < m.count && rc == 0; i++)
		rc = count_leaves(l, t, &m.items[i], depth + 1, e);
	manifest_release(&m);
	return rc;
}

/* Puts the manifest ROOT in the place of the index that ENTRY is about. */
static int replace_entry(char **entry, const struct descriptor *root, struct error *e)
{
	json_t *object = json_parse(INDEX_FILE, *entry, strlen(*entry), e);
	if (!object)
		return -1;
	json_object_set_new(object, "mediaType", json_string(root->media_type));
	json_object_set_new(object, "digest", json_string(root->digest.text));
	json_object_set_new(object, "size", json_integer(root->size));
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return error_errno(e, "memory");
	free(*entry);
	*entry = text;
	return 0;
}

/* The rule for an index with absent manifests. */
static int settle_sparse(struct oci_image *image, struct members *t, struct error *e)
{
	struct leaves l = {.seen = json_object()};
	int rc = count_leaves(&l, t, &image->root, 0, e);
	json_decref(l.seen);
	if (rc)
		return -1;
	if (l.absent == 0)
		return 0;
	if (l.platforms == 0)
		return error_set(e, STATUS_DATA, "%s: no manifest of this index is in the tar, whole",
				 image->root.digest.text);
	if (l.platforms > 1)
		return error_set(e, STATUS_DATA,
				 "the tar lacks %zu manifests of an index; choose one of %s with -i, "
				 "or keep the index as it is with --allow-sparse", l.absent, l.names);
	program_warn("the tar holds one platform of an index with more: it is taken as the image: %s",
		     l.names);
	memcpy(l.only.ref_name, image->root.ref_name, sizeof l.only.ref_name);
	memcpy(l.only.image_name, image->root.image_name, sizeof l.only.image_name);
	image->root = l.only;
	return replace_entry(&image->entry, &l.only, e);
}

static bool is_listed(const struct oci_images *o, const struct digest *d)
{
	for (size_t i = 0; i < o->blob_count; i++)
		if (digest_equal(&o->blobs[i].digest, d))
			return true;
	return false;
}

static int list_blob(struct oci_images *o, const struct descriptor *d, struct error *e)
{
	if (o->blob_count == DESCRIPTOR_ITEMS_MAX)
		return error_set(e, STATUS_DATA, "more than %d blobs", DESCRIPTOR_ITEMS_MAX);
	if (o->blob_count == o->blob_capacity) {
		size_t capacity = o->blob_capacity ? 2 * o->blob_capacity : 16;
		struct descriptor *blobs = realloc(o->blobs, capacity * sizeof *blobs);
		if (!blobs)
			return error_errno(e, "memory");
		o->blobs = blobs;
		o->blob_capacity = capacity;
	}
	o->blobs[o->blob_count++] = *d;
	return 0;
}

/* Lists what D needs and D itself. */
static int collect(struct oci_images *o, struct members *t, const struct descriptor *d, int depth,
		   struct error *e)
{
	struct manifest m = {0};
	if (d->has_urls || is_listed(o, &d->digest))
		return 0;
	if (depth > 2 * NESTING_MAX)
		return error_set(e, STATUS_DATA, "%s: indexes nested too deep", d->digest.text);
	struct member *file = document_find(t, d, e);
	if (!file)
		return -1;
	file->is_wanted = true;
	file->packing = PACK_KEEP;
	int rc = 0;
	if (d->kind == KIND_MANIFEST || d->kind == KIND_INDEX)
		rc = document_read(t, d, &m, e);
	if (rc == 0 && m.has_config)
		rc = collect(o, t, &m.config, depth + 1, e);
	for (size_t i = 0; i < m.count && rc == 0; i++) {
		if (m.is_index && o->is_sparse_allowed && !is_kept(t, &m.items[i]))
			continue;
		rc = collect(o, t, &m.items[i], depth + 1, e);
	}
	manifest_release(&m);
	return rc ? rc : list_blob(o, d, e);
}

static int add_image(struct oci_images *o, const struct descriptor *root, const json_t *entry,
		     struct error *e)
{
	struct oci_image *image = &o->list[o->count++];
	image->root = *root;
	image->entry = json_dumps(entry, JSON_COMPACT);
	return image->entry ? 0 : error_errno(e, "memory");
}

/* For one digest. */
struct search {
	struct members *members;
	const struct digest *digest;
	struct descriptor found;
	json_t *seen; /* the set of indexes that were looked into */
};

/* Looks below D, an index. */
static bool find_inside(struct search *s, const struct descriptor *d, int depth)
{
	struct manifest m;
	struct error ignored;
	bool is_found = false;
	if (d->kind != KIND_INDEX || depth > NESTING_MAX || !json_set_add(s->seen, d->digest.text))
		return false;
	if (document_read(s->members, d, &m, &ignored) == 0)
		for (size_t i = 0; i < m.count && !is_found; i++) {
			is_found = digest_equal(&m.items[i].digest, s->digest);
			if (is_found)
				s->found = m.items[i];
			else
				is_found = find_inside(s, &m.items[i], depth + 1);
		}
	manifest_release(&m);
	return is_found;
}

static int select_inside(struct oci_images *o, struct members *t, const struct manifest *index,
			 const struct digest *digest, struct error *e)
{
	struct search s = {.members = t, .digest = digest, .seen = json_object()};
	bool is_found = false;
	for (size_t i = 0; i < index->count && !is_found; i++)
		is_found = find_inside(&s, &index->items[i], 0);
	json_decref(s.seen);
	if (!is_found)
		return 0;
	json_t *entry = json_pack("{s:s, s:s, s:I}", "mediaType", s.found.media_type, "digest",
				  s.found.digest.text, "size", (json_int_t)s.found.size);
	int rc = add_image(o, &s.found, entry, e);
	json_decref(entry);
	return rc;
}

static bool is_selected(const struct descriptor *d, const char *selector)
{
	struct digest digest;
	if (!selector)
		return true;
	if (digest_parse(&digest, selector) == 0)
		return digest_equal(&d->digest, &digest);
	return layout_is_named(d, selector);
}

static int not_found(const struct manifest *index, const char *selector, struct error *e)
{
	char names[300];
	manifest_list_names(index, names, sizeof names);
	return error_set(e, STATUS_FAILED, "no image '%.100s' in the tar; there are: %s", selector,
			 names);
}

static int choose(struct oci_images *o, struct members *t, const json_t *root,
		  const struct manifest *index, const char *selector, struct error *e)
{
	struct digest digest;
	const json_t *entries = json_list(root, "manifests");
	o->list = calloc(index->count + 1, sizeof *o->list);
	if (!o->list)
		return error_errno(e, "memory");
	for (size_t i = 0; i < index->count; i++)
		if (is_selected(&index->items[i], selector) &&
		    add_image(o, &index->items[i], json_array_get(entries, i), e))
			return -1;
	if (o->count == 0 && selector && digest_parse(&digest, selector) == 0 &&
	    select_inside(o, t, index, &digest, e))
		return -1;
	if (o->count)
		return 0;
	return selector ? not_found(index, selector, e)
			: error_set(e, STATUS_DATA, INDEX_FILE ": it names no image");
}

/* Parses index.json both ways: as descriptors, and as the JSON whose entries are kept. */
static json_t *read_index(struct members *t, struct manifest *index, struct error *e)
{
	struct buffer text;
	json_t *root = NULL;
	*index = (struct manifest){0};
	const struct member *m = members_find(t, INDEX_FILE, "file", e);
	if (!m)
		return NULL;
	if (!m->is_stored || m->packed.is_packed) {
		error_set(e, STATUS_DATA, INDEX_FILE ": not JSON of at most %u bytes", JSON_INDEX_MAX);
		return NULL;
	}
	buffer_init(&text, JSON_INDEX_MAX);
	if (member_read(t, m, &text, e) == 0 &&
	    manifest_parse(index, INDEX_FILE, text.data, text.len, e) == 0) {
		if (index->is_index)
			root = json_parse(INDEX_FILE, text.data, text.len, e);
		else
			error_set(e, STATUS_DATA, INDEX_FILE ": not an index");
	}
	buffer_release(&text);
	return root;
}

int oci_images_select(struct oci_images *o, struct members *t, const char *selector,
		      bool is_sparse_allowed, struct error *e)
{
	struct manifest index;
	*o = (struct oci_images){.is_sparse_allowed = is_sparse_allowed};
	json_t *root = read_index(t, &index, e);
	int rc = root ? choose(o, t, root, &index, selector, e) : -1;
	for (size_t i = 0; i < o->count && rc == 0; i++) {
		if (o->list[i].root.kind == KIND_INDEX && !is_sparse_allowed)
			rc = settle_sparse(&o->list[i], t, e);
		if (rc == 0)
			rc = collect(o, t, &o->list[i].root, 0, e);
	}
	for (size_t i = 0; i < o->blob_count && rc == 0; i++)
		members_blob(t, &o->blobs[i].digest)->as = &o->blobs[i];
	manifest_release(&index);
	json_decref(root);
	return rc;
}


static bool is_tar_type(const char *type)
{
	return strstr(type, ".tar") && !strstr(type, "+encrypted");
}

/* What is done to a layer of the manifest M. */
typedef int layer_visitor(struct members *t, const struct manifest *m, size_t i,
			  const struct digest *diff_ids, struct error *e);

/* Compares the content of a layer with the diffId in the config. What neither is a tar nor says so
 * (attestations, encrypted layers) has nothing to compare. */
static int check_layer(struct members *t, const struct manifest *m, size_t i,
		       const struct digest *diff_ids, struct error *e)
{
	const struct descriptor *d = &m->items[i];
	const struct member *layer = members_blob(t, &d->digest);
	if (!diff_ids || d->has_urls || !layer)
		return 0;
	bool is_tar = layer->encoding != ENCODING_OTHER && digest_is_set(&layer->packed.diff_id);
	if (!is_tar && !is_tar_type(d->media_type))
		return 0;
	return member_check_layer(layer, i + 1, d->digest.text, &diff_ids[i], e);
}

static int take_layer(struct members *t, const struct manifest *m, size_t i,
		      const struct digest *diff_ids, struct error *e)
{
	const struct descriptor *d = &m->items[i];
	struct member *layer = members_blob(t, &d->digest);
	const struct known_layer *known = known_by_blob(t->known, &d->digest);
	(void)e;
	if (layer && known && !layer->known && known->size == d->size &&
	    (!diff_ids || digest_equal(&diff_ids[i], &known->diff_id)))
		member_take(t, layer, known);
	return 0;
}

static int list_layer(struct members *t, const struct manifest *m, size_t i,
		      const struct digest *diff_ids, struct error *e)
{
	const struct digest *diff_id = diff_ids && digest_is_set(&diff_ids[i]) ? &diff_ids[i] : NULL;
	(void)t;
	return m->items[i].has_urls ? 0 : event_layer(&m->items[i], diff_id, e);
}

/* Visits the layers of the manifest D in their order. */
static int visit_layers(struct members *t, const struct descriptor *d, layer_visitor *visit,
			struct error *e)
{
	struct manifest m;
	struct digest *diff_ids;
	int rc = document_read_image(t, d, &m, &diff_ids, e);
	for (size_t i = 0; i < m.count && rc == 0; i++)
		rc = visit(t, &m, i, diff_ids, e);
	free(diff_ids);
	manifest_release(&m);
	return rc;
}

int oci_images_take_known(struct oci_images *o, struct members *t, struct error *e)
{
	int rc = 0;
	for (size_t i = 0; t->known && i < o->blob_count && rc == 0; i++)
		if (o->blobs[i].kind == KIND_MANIFEST)
			rc = visit_layers(t, &o->blobs[i], take_layer, e);
	return rc;
}

int oci_images_build(struct oci_images *o, struct members *t, struct publisher *p, struct error *e)
{
	for (size_t i = 0; i < o->blob_count; i++) {
		const struct descriptor *d = &o->blobs[i];
		struct member *m = members_blob(t, &d->digest);
		if (member_check_stored(m, e) || member_repack(t, m, e) || document_verify(m, d, e))
			return -1;
		if (d->kind == KIND_MANIFEST && visit_layers(t, d, check_layer, e))
			return -1;
		if (publish_member(p, m, d, e))
			return -1;
	}
	return 0;
}

/* Whether an image before image I has its digest. */
static bool is_repeated(const struct oci_images *o, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&o->list[k].root.digest, &o->list[i].root.digest))
			return true;
	return false;
}

/* A record about image I with the names of all entries that have its digest. */
static int report(const struct oci_images *o, size_t i, event_of_image *write, struct error *e)
{
	const struct descriptor *root = &o->list[i].root;
	const char *names[64];
	size_t count = 0;
	for (size_t k = i; k < o->count; k++) {
		const struct descriptor *other = &o->list[k].root;
		if (!digest_equal(&other->digest, &root->digest))
			continue;
		const char *name = descriptor_name(other);
		if (*name && count < sizeof names / sizeof *names)
			names[count++] = name;
	}
	return write(root, names, count, e);
}

int oci_images_finish(const struct oci_images *o, struct layout *l, struct error *e)
{
	const char **entries = calloc(o->count, sizeof *entries);
	if (!entries)
		return error_errno(e, "memory");
	for (size_t i = 0; i < o->count; i++)
		entries[i] = o->list[i].entry;
	int rc = layout_add_images(l, entries, o->count, e);
	free(entries);
	for (size_t i = 0; i < o->count && rc == 0; i++)
		rc = is_repeated(o, i) ? 0 : report(o, i, event_image, e);
	return rc;
}

/* The layers below D, a manifest or an index. SEEN is a set of digests. */
static int list_layers(const struct oci_images *o, struct members *t, const struct descriptor *d,
		       json_t *seen, struct error *e)
{
	struct manifest m;
	if (!is_listed(o, &d->digest) || !json_set_add(seen, d->digest.text))
		return 0;
	if (d->kind == KIND_MANIFEST)
		return visit_layers(t, d, list_layer, e);
	int rc = document_read(t, d, &m, e);
	for (size_t i = 0; i < m.count && rc == 0; i++)
		rc = list_layers(o, t, &m.items[i], seen, e);
	manifest_release(&m);
	return rc;
}

int oci_images_list(const struct oci_images *o, struct members *t, bool has_layers,
		    struct error *e)
{
	int rc = 0;
	for (size_t i = 0; i < o->count && rc == 0; i++) {
		if (is_repeated(o, i))
			continue;
		json_t *seen = json_object();
		rc = report(o, i, event_source, e);
		if (rc == 0 && has_layers)
			rc = list_layers(o, t, &o->list[i].root, seen, e);
		json_decref(seen);
	}
	return rc;
}
