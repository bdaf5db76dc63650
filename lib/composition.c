/* SPDX-License-Identifier: Apache-2.0 */
#include "composition.h"

#include "json.h"
#include "platform.h"
#include "program.h"
#include "weight.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEIGHT_TYPE "application/vnd.cog.weight.v1"
#define WEIGHT_NAME "run.cog.weight.name"
#define WEIGHT_TARGET "run.cog.weight.target"
#define WEIGHT_SET "run.cog.weight.set-digest"
#define WEIGHT_SIZE "run.cog.weight.size.uncompressed"

enum { NESTING_MAX = 4 }; /* indexes inside indexes, as -i looks into them */

struct composition {
	const struct layout *layout;
	bool is_bundle;
	json_t *images, *weights; /* descriptors */
	json_t *targets;	  /* of the weights, by name */
	json_t *indexes;	  /* the set of those that were looked into */
};

/* A manifest that is being added. */
struct source {
	const char *name; /* for messages */
	struct descriptor d;
	struct manifest m;
	json_t *root;	     /* the same as JSON */
	const json_t *entry; /* how an index has it; NULL where it was named */
	const struct platform *platform; /* NULL where none was given */
};

struct composition *composition_new(const struct layout *layout, bool is_bundle)
{
	struct composition *c = malloc(sizeof *c);
	if (!c)
		abort();
	*c = (struct composition){.layout = layout, .is_bundle = is_bundle};
	c->images = json_array();
	c->weights = json_array();
	c->targets = json_object();
	c->indexes = json_object();
	if (!c->images || !c->weights || !c->targets || !c->indexes)
		abort();
	return c;
}

void composition_free(struct composition *c)
{
	if (!c)
		return;
	json_decref(c->images);
	json_decref(c->weights);
	json_decref(c->targets);
	json_decref(c->indexes);
	free(c);
}

/* Reads the JSON blob D. The caller frees it. */
static json_t *read_json(const struct layout *l, const struct descriptor *d, size_t max,
			 struct error *e)
{
	struct buffer text;
	json_t *root = NULL;
	buffer_init(&text, max);
	if (layout_read_blob(l, &d->digest, &text, e) == 0)
		root = json_parse(d->digest.text, text.data, text.len, e);
	buffer_release(&text);
	return root;
}

static int read_source(const struct layout *l, struct source *s, struct error *e)
{
	int fd = layout_open_blob(l, &s->d.digest, s->d.size, e);
	if (fd < 0)
		return -1;
	close(fd);
	if (layout_read_manifest(l, &s->d, &s->m, e))
		return -1;
	s->root = read_json(l, &s->d, JSON_MANIFEST_MAX, e);
	return s->root ? 0 : -1;
}

static void release_source(struct source *s)
{
	manifest_release(&s->m);
	json_decref(s->root);
}

static const char *artifact_type(const struct source *s)
{
	const char *type = json_text(s->root, "artifactType");
	return type && *type ? type : NULL;
}

static bool is_same(const json_t *a, const json_t *b)
{
	const json_t *platform_a = json_object_get(a, "platform");
	const json_t *platform_b = json_object_get(b, "platform");
	return json_equal(json_object_get(a, "digest"), json_object_get(b, "digest")) &&
	       (platform_a == platform_b || json_equal(platform_a, platform_b));
}

/* Who pulls an index takes one image of a platform. Attestations have none that is known. */
static void warn_of_twin(const json_t *list, const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *os = json_text(platform, "os"), *architecture = json_text(platform, "architecture");
	for (size_t i = 0; os && architecture && strcmp(os, "unknown") != 0 && i < json_array_size(list); i++)
		if (json_equal(json_object_get(json_array_get(list, i), "platform"), platform)) {
			program_warn("two images for %.60s/%.60s: who pulls gets one of them", os,
				     architecture);
			return;
		}
}

/* Takes over DESCRIPTOR. */
static int append(json_t *list, json_t *descriptor, struct error *e)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (is_same(json_array_get(list, i), descriptor)) {
			json_decref(descriptor);
			return 0;
		}
	if (json_array_size(list) == DESCRIPTOR_ITEMS_MAX) {
		json_decref(descriptor);
		return error_set(e, STATUS_DATA, "more than %d manifests", DESCRIPTOR_ITEMS_MAX);
	}
	warn_of_twin(list, descriptor);
	json_array_append_new(list, descriptor);
	return 0;
}

static json_t *describe(const struct source *s)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", s->m.media_type, "digest", s->d.digest.text,
			 "size", (json_int_t)s->d.size);
}

int composition_platform(const struct layout *l, const struct descriptor *config, struct platform *p,
			 struct error *e)
{
	json_t *root = read_json(l, config, JSON_CONFIG_MAX, e);
	if (!root)
		return -1;
	bool is_known = platform_read(p, root);
	json_decref(root);
	return is_known;
}

static int read_platform(const struct layout *l, const struct source *s, struct platform *p,
			 struct error *e)
{
	int rc = composition_platform(l, &s->m.config, p, e);
	if (rc < 0)
		return error_prefix(e, s->name);
	if (rc > 0)
		return 0;
	return error_set(e, STATUS_DATA,
			 "%.200s: its config says no platform: give it as %.200s=OS/ARCHITECTURE",
			 s->name, s->name);
}

static int add_image(struct composition *c, const struct source *s, struct error *e)
{
	struct platform platform;
	bool is_image = manifest_is_image(&s->m);
	json_t *descriptor = s->entry ? json_deep_copy(s->entry) : describe(s);
	if (s->platform) {
		platform_write(s->platform, descriptor);
	} else if (is_image && !json_object_get(descriptor, "platform")) {
		if (read_platform(c->layout, s, &platform, e)) {
			json_decref(descriptor);
			return -1;
		}
		platform_write(&platform, descriptor);
	} else if (c->is_bundle && !json_object_get(descriptor, "platform")) {
		json_decref(descriptor);
		return error_set(e, STATUS_DATA, "%.200s: neither an image nor a weight", s->name);
	}
	if (!s->entry && artifact_type(s))
		json_object_set_new(descriptor, "artifactType", json_string(artifact_type(s)));
	return append(c->images, descriptor, e);
}

/* Weights */

static const char *note(const struct source *s, const char *key, struct error *e)
{
	const char *text = json_text(json_object_get(s->root, "annotations"), key);
	if (!text || !*text) {
		error_set(e, STATUS_DATA, "%.200s: a weight without the annotation %s", s->name, key);
		return NULL;
	}
	return text;
}

/* Adds the decimal number TEXT. */
static int add_size(int64_t *sum, const char *text)
{
	int64_t value = 0;
	if (!text || !*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || value > (INT64_MAX - 9) / 10)
			return -1;
		value = value * 10 + (*text - '0');
	}
	if (value > INT64_MAX - *sum)
		return -1;
	*sum += value;
	return 0;
}

static int sum_sizes(const struct source *s, int64_t *sum, struct error *e)
{
	const json_t *layers = json_list(s->root, "layers");
	*sum = 0;
	for (size_t i = 0; i < json_array_size(layers); i++) {
		const json_t *notes = json_object_get(json_array_get(layers, i), "annotations");
		if (add_size(sum, json_text(notes, WEIGHT_SIZE)))
			return error_set(e, STATUS_DATA,
					 "%.200s: a layer without a number as annotation %s", s->name,
					 WEIGHT_SIZE);
	}
	return 0;
}

/* Whether the folders are the same, or one is inside the other. */
static bool overlap(const char *a, const char *b)
{
	size_t len_a = a[1] ? strlen(a) : 0, len_b = b[1] ? strlen(b) : 0;
	size_t len = len_a < len_b ? len_a : len_b;
	const char *longer = len_a < len_b ? b : a;
	return memcmp(a, b, len) == 0 && (longer[len] == '/' || !longer[len]);
}

static int check_target(const struct composition *c, const struct source *s, const char *name,
			const char *target, struct error *e)
{
	const char *other;
	json_t *there;
	if (weight_check_target(target, e))
		return error_prefix(e, s->name);
	if (json_object_get(c->targets, name))
		return error_set(e, STATUS_DATA, "%.200s: another weight is called '%.100s' too",
				 s->name, name);
	json_object_foreach(c->targets, other, there)
		if (overlap(target, json_string_value(there)))
			return error_set(e, STATUS_DATA,
					 "%.200s: its target '%.100s' and that of '%.100s', '%.100s', overlap",
					 s->name, target, other, json_string_value(there));
	return 0;
}

static int add_weight(struct composition *c, const struct source *s, struct error *e)
{
	static const struct platform nothing = {.os = "unknown", .architecture = "unknown"};
	char size[24];
	struct digest set;
	int64_t sum;
	const char *name = note(s, WEIGHT_NAME, e);
	const char *target = name ? note(s, WEIGHT_TARGET, e) : NULL;
	const char *set_text = target ? note(s, WEIGHT_SET, e) : NULL;
	if (!set_text || sum_sizes(s, &sum, e))
		return -1;
	if (digest_parse(&set, set_text))
		return error_set(e, STATUS_DATA, "%.200s: %s is not a digest: '%.100s'", s->name,
				 WEIGHT_SET, set_text);
	for (size_t i = 0; i < json_array_size(c->weights); i++) {
		const char *digest = json_text(json_array_get(c->weights, i), "digest");
		if (strcmp(digest, s->d.digest.text) == 0)
			return 0;
	}
	if (check_target(c, s, name, target, e))
		return -1;
	json_object_set_new(c->targets, name, json_string(target));
	snprintf(size, sizeof size, "%" PRId64, sum);
	json_t *descriptor = describe(s);
	json_object_set_new(descriptor, "annotations",
			    json_pack("{s:s, s:s, s:s}", WEIGHT_NAME, name, WEIGHT_SET, set_text,
				      WEIGHT_SIZE, size));
	platform_write(&nothing, descriptor);
	json_object_set_new(descriptor, "artifactType", json_string(WEIGHT_TYPE));
	return append(c->weights, descriptor, e);
}

/* All kinds */

static int add(struct composition *c, struct source *s, int depth, struct error *e);

static int add_children(struct composition *c, const struct source *s, int depth, struct error *e)
{
	if (s->platform)
		return error_set(e, STATUS_DATA,
				 "%.200s: an index, whose manifests have platforms of their own", s->name);
	if (s->m.count == 0)
		return error_set(e, STATUS_DATA, "%.200s: an index without manifests", s->name);
	if (depth == NESTING_MAX)
		return error_set(e, STATUS_DATA, "%.200s: indexes nested too deep", s->name);
	const json_t *entries = json_list(s->root, "manifests");
	json_set_add(c->indexes, s->d.digest.text);
	for (size_t i = 0; i < s->m.count; i++) {
		/* All that is in it went in; indexes of the same one many times would take forever. */
		if (json_object_get(c->indexes, s->m.items[i].digest.text))
			continue;
		struct source child = {.name = s->m.items[i].digest.text,
				       .d = s->m.items[i],
				       .entry = json_array_get(entries, i)};
		if (add(c, &child, depth + 1, e))
			return -1;
	}
	return 0;
}

/* Releases S in any case. */
static int add(struct composition *c, struct source *s, int depth, struct error *e)
{
	int rc = program_is_interrupted() ? program_interrupted(e) : read_source(c->layout, s, e);
	if (rc == 0) {
		const char *type = artifact_type(s);
		program_trace("add %s", s->d.digest.text);
		bool is_weight = c->is_bundle && type && strcmp(type, WEIGHT_TYPE) == 0;
		rc = s->m.is_index ? add_children(c, s, depth, e)
		     : is_weight   ? add_weight(c, s, e)
				   : add_image(c, s, e);
	}
	release_source(s);
	return rc;
}

int composition_add(struct composition *c, const char *operand, struct error *e)
{
	char name[512];
	struct platform platform;
	const char *equals = strrchr(operand, '=');
	size_t len = equals ? (size_t)(equals - operand) : strlen(operand);
	struct source s = {.name = name, .platform = equals ? &platform : NULL};
	if (len >= sizeof name)
		return error_set(e, STATUS_USAGE, "'%.100s...': name too long", operand);
	memcpy(name, operand, len);
	name[len] = '\0';
	if (equals && platform_parse(&platform, equals + 1, e))
		return error_prefix(e, operand);
	if (layout_find(c->layout, name, &s.d, e))
		return -1;
	return add(c, &s, 0, e);
}

char *composition_format(const struct composition *c, const char *artifact_type,
			 const struct annotations *annotations, struct error *e)
{
	if (c->is_bundle && (!json_array_size(c->images) || !json_array_size(c->weights))) {
		error_set(e, STATUS_DATA, "no %s among the manifests: a bundle is of images and weights",
			  json_array_size(c->images) ? "weight" : "image");
		return NULL;
	}
	json_t *root = json_pack("{s:i, s:s}", "schemaVersion", 2, "mediaType", MEDIA_TYPE_INDEX);
	json_t *manifests = json_copy(c->images);
	json_array_extend(manifests, c->weights);
	if (artifact_type)
		json_object_set_new(root, "artifactType", json_string(artifact_type));
	json_object_set_new(root, "manifests", manifests);
	annotations_write(annotations, root);
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		error_errno(e, "memory");
	return text;
}
