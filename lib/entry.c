/* SPDX-License-Identifier: Apache-2.0 */
#include "entry.h"

#include "event.h"
#include "json.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVED "cog-"

int entry_check_tag(const char *text, struct error *e)
{
	struct reference r = {0};
	struct digest d;
	const char *tag = text;
	if (digest_parse(&d, text) == 0)
		return error_set(e, STATUS_USAGE, "'%s': a digest is no name", text);
	if (strpbrk(text, ":/@")) {
		if (reference_parse(&r, text, e))
			return -1;
		tag = r.tag;
		if (!*tag || digest_is_set(&r.digest))
			return error_set(e, STATUS_USAGE, "'%s': neither a tag nor a name with a tag", text);
	} else if (!reference_is_tag(text)) {
		return error_set(e, STATUS_USAGE, "'%.200s': not a tag", text);
	}
	if (strncmp(tag, RESERVED, strlen(RESERVED)) == 0)
		return error_set(e, STATUS_USAGE,
				 "'%s': tags that begin with " RESERVED " are reserved", text);
	return 0;
}

/* Names that differ as texts may mean the same to layout_find(), and then the one that was there first
 * is found. */
static int check_meaning(const struct layout *l, const char *tag, struct error *e)
{
	struct descriptor found;
	struct error ignored;
	if (layout_find(l, tag, &found, &ignored) || strcmp(descriptor_name(&found), tag) == 0)
		return 0;
	return error_set(e, STATUS_FAILED, "%s: '%s' means the image '%s' there: choose another tag",
			 l->path, tag, descriptor_name(&found));
}

/* The caller frees it; NULL without memory. */
static char *format(const struct entry *n, const struct descriptor *d)
{
	json_t *object = json_pack("{s:s, s:s, s:I}", "mediaType", d->media_type, "digest",
				   d->digest.text, "size", (json_int_t)d->size);
	if (n->artifact_type)
		json_object_set_new(object, "artifactType", json_string(n->artifact_type));
	if (n->tag)
		json_object_set_new(object, "annotations",
				    json_pack("{s:s}", ANNOTATION_REF_NAME, n->tag));
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

int entry_add(struct layout *l, const struct entry *n, struct error *e)
{
	size_t len = strlen(n->text);
	struct descriptor d = {.kind = n->kind, .size = (int64_t)len};
	snprintf(d.media_type, sizeof d.media_type, "%s",
		 n->media_type		  ? n->media_type
		 : n->kind == KIND_INDEX ? MEDIA_TYPE_INDEX
					  : MEDIA_TYPE_MANIFEST);
	if (len > JSON_MANIFEST_MAX)
		return error_set(e, STATUS_DATA, "%s of %zu bytes: the limit is %u", kind_name(n->kind),
				 len, JSON_MANIFEST_MAX);
	if ((n->tag && check_meaning(l, n->tag, e)) || layout_put(l, n->text, len, &d.digest, e) ||
	    event_blob(&d, NULL, -1, e))
		return -1;
	char *text = format(n, &d);
	if (!text)
		return error_errno(e, "memory");
	const char *const descriptors[] = {text};
	int rc = layout_add_images(l, descriptors, 1, e);
	free(text);
	return rc ? rc : event_image(&d, &n->tag, n->tag ? 1 : 0, e);
}
