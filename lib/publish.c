/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include "event.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>

struct publisher {
	struct members *members;
	json_t *announced; /* a set of digests */
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

int publish_member(struct publisher *p, struct member *m, const struct descriptor *d,
		   struct error *e)
{
	if (m->known)
		return 0;
	bool has_diff = d->kind == KIND_LAYER && m->encoding != ENCODING_OTHER;
	if (member_commit(p->members, m, e))
		return -1;
	if (!json_set_add(p->announced, d->digest.text))
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
	bool is_news = json_set_add(p->announced, d->digest.text);
	return is_news ? event_blob(d, NULL, -1, e) : 0;
}

void publish_describe_layer(const struct member *m, struct descriptor *d)
{
	const char *type = m->packed.form == ENCODING_GZIP   ? MEDIA_TYPE_LAYER_GZIP
			   : m->packed.form == ENCODING_ZSTD ? MEDIA_TYPE_LAYER_ZSTD
							     : MEDIA_TYPE_LAYER;
	*d = (struct descriptor){
		.digest = m->packed.blob,
		.size = m->packed.blob_size,
		.kind = KIND_LAYER,
	};
	snprintf(d->media_type, sizeof d->media_type, "%s", type);
}
