/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "json.h"

#include <stdlib.h>

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

/* Reads the config of the image M. The caller frees it. */
static json_t *read_config(struct members *t, const struct manifest *m, struct error *e)
{
	struct buffer text;
	json_t *config = NULL;
	const struct member *file = document_find(t, &m->config, e);
	if (!file)
		return NULL;
	buffer_init(&text, JSON_CONFIG_MAX);
	if (!file->is_stored || file->packed.is_packed)
		error_set(e, STATUS_DATA, "%.200s: no config", file->path);
	else if (member_read(t, file, &text, e) == 0)
		config = json_parse(m->config.digest.text, text.data, text.len, e);
	buffer_release(&text);
	return config;
}

static int read_diff_ids(struct members *t, const struct manifest *m, struct digest **diff_ids,
			 struct error *e)
{
	json_t *config = read_config(t, m, e);
	if (!config)
		return -1;
	const json_t *list = json_list(json_object_get(config, "rootfs"), "diff_ids");
	if (list)
		*diff_ids = calloc(m->count + 1, sizeof **diff_ids);
	for (size_t i = 0; *diff_ids && i < m->count; i++)
		(void)digest_parse(*diff_ids + i, json_string_value(json_array_get(list, i)));
	int rc = list && !*diff_ids ? error_errno(e, "memory") : 0;
	json_decref(config);
	return rc;
}

int document_read_image(struct members *t, const struct descriptor *d, struct manifest *m,
			struct digest **diff_ids, struct error *e)
{
	*diff_ids = NULL;
	if (document_read(t, d, m, e))
		return -1;
	return manifest_is_image(m) ? read_diff_ids(t, m, diff_ids, e) : 0;
}
