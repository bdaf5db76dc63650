/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "json.h"

int document_verify(const struct member *m, const struct descriptor *d, struct error *e)
{
	if (!digest_equal(&m->packed.raw, &d->digest))
		return error_set(e, STATUS_DATA, "%.200s: its bytes have the digest %s", m->path,
				 m->packed.raw.text);
	if (m->packed.raw_size != d->size)
		return error_set(e, STATUS_DATA, "%.200s: it has %lld bytes, its descriptor says %lld",
				 m->path, (long long)m->packed.raw_size, (long long)d->size);
	return 0;
}

struct member *document_find(struct members *t, const struct descriptor *d, struct error *e)
{
	struct member *m = members_blob(t, &d->digest);
	if (!m)
		error_set(e, STATUS_DATA, "%s %s is not in the tar", kind_name(d->kind),
			  d->digest.text);
	return m;
}

int document_read(struct members *t, const struct descriptor *d, struct manifest *m,
		  struct error *e)
{
	struct buffer text;
	*m = (struct manifest){0};
	const struct member *file = document_find(t, d, e);
	if (!file)
		return -1;
	if (!file->is_stored || file->packed.is_packed)
		return error_set(e, STATUS_DATA, "%.200s: no manifest", file->path);
	buffer_init(&text, JSON_MANIFEST_MAX);
	int rc = document_verify(file, d, e);
	if (rc == 0)
		rc = member_read(t, file, &text, e);
	if (rc == 0)
		rc = manifest_parse(m, d->digest.text, text.data, text.len, e);
	buffer_release(&text);
	return rc;
}
