/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include "event.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>

struct publisher {
	struct members *members;
	json_t *announced; /* an object as a set of digests */
};

struct publisher *publisher_new(struct members *members)
{
	struct publisher *p = malloc(sizeof *p);
	if (!p)
		abort();
	*p = (struct publisher){.members = members, .announced = json_object()};
	if (!p->announced)
		abort();
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	json_decref(p->announced);
	free(p);
}

/* Whether D is announced for the first time. */
static bool is_news(struct publisher *p, const struct descriptor *d)
{
	if (json_object_get(p->announced, d->digest.text))
		return false;
	json_object_set_new(p->announced, d->digest.text, json_true());
	return true;
}

int publish_member(struct publisher *p, struct member *m, const struct descriptor *d,
		   struct error *e)
{
	bool has_diff = d->kind == KIND_LAYER && m->encoding != ENCODING_OTHER;
	if (member_commit(p->members, m, e))
		return -1;
	if (!is_news(p, d))
		return 0;
	return event_blob(d, has_diff ? &m->packed.diff_id : NULL,
			  has_diff && digest_is_set(&m->packed.diff_id) ? m->packed.diff_size : -1, e);
}

int publish_text(struct publisher *p, const char *text, size_t len, struct descriptor *d,
		 struct error *e)
{
	d->size = (int64_t)len;
	if (layout_put(p->members->layout, text, len, &d->digest, e))
		return -1;
	return is_news(p, d) ? event_blob(d, NULL, -1, e) : 0;
}

void publish_describe_layer(const struct member *m, struct descriptor *d)
{
	const char *type = m->packed.is_packed || m->encoding == ENCODING_GZIP
				   ? MEDIA_TYPE_LAYER_GZIP
			   : m->encoding == ENCODING_ZSTD ? MEDIA_TYPE_LAYER_ZSTD
							  : MEDIA_TYPE_LAYER;
	*d = (struct descriptor){
		.digest = m->packed.blob,
		.size = m->packed.blob_size,
		.kind = KIND_LAYER,
	};
	snprintf(d->media_type, sizeof d->media_type, "%s", type);
}
