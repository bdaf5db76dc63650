/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest and the config are read and have to agree; the folder has to have the files of the config;
 * and each layer has to be what the manifest says, and to hold the files that the config places in it, and
 * no others. */
#include "weightcheck.h"

#include "compress.h"
#include "folder.h"
#include "json.h"
#include "pool.h"
#include "program.h"
#include "recipe.h"
#include "tarball.h"
#include "weight.h"

#include <stdlib.h>
#include <string.h>

enum { READ_BLOCK = 256 * 1024 };

struct check {
	const struct layout *layout;
	struct weight weight;
	struct folder folder;
	bool *is_found; /* as long as the files of the weight: it was in its layer */
};

/* --- Which weight -------------------------------------------------------------------------------
 */

static bool is_called(const struct layout *l, const struct descriptor *d, const char *name)
{
	struct buffer text;
	struct error ignored;
	char *found = NULL;
	buffer_init(&text, JSON_MANIFEST_MAX);
	if (d->kind == KIND_MANIFEST && layout_read_blob(l, &d->digest, &text, &ignored) == 0)
		found = weight_name(text.data, text.len);
	bool is_it = found && strcmp(found, name) == 0;
	free(found);
	buffer_release(&text);
	return is_it;
}

static int find(const struct layout *l, const char *name, struct descriptor *found, struct error *e)
{
	struct manifest index;
	bool is_found = false;
	int rc = layout_list(l, &index, e);
	for (size_t i = index.count; rc == 0 && i > 0 && !is_found; i--)
		if (is_called(l, &index.items[i - 1], name)) {
			*found = index.items[i - 1];
			is_found = true;
		}
	manifest_release(&index);
	return rc || is_found ? rc : layout_find(l, name, found, e);
}

/* Reads a blob into TEXT and parses it. */
static int read_documents(const struct layout *l, const struct descriptor *d, struct weight *w,
			  struct error *e)
{
	struct buffer text;
	struct descriptor config;
	buffer_init(&text, WEIGHT_CONFIG_MAX);
	int rc = layout_read_blob(l, &d->digest, &text, e);
	if (rc == 0)
		rc = weight_parse(w, text.data, text.len, &config, e);
	buffer_clear(&text);
	if (rc == 0)
		rc = layout_read_blob(l, &config.digest, &text, e);
	if (rc == 0)
		rc = weight_parse_config(w, text.data, text.len, e);
	buffer_release(&text);
	return rc;
}

/* --- The folder against the config --------------------------------------------------------------
 */

/* One of them may be NULL. */
static int compare_file(const struct folder_file *real, const struct weight_file *said, struct error *e)
{
	if (real && (!said || strcmp(real->path, said->path) < 0))
		return error_set(e, STATUS_DATA, "%.300s: it is in the folder, not in the weight", real->path);
	if (said && (!real || strcmp(real->path, said->path) > 0))
		return error_set(e, STATUS_DATA, "%.300s: it is in the weight, not in the folder", said->path);
	if (!real || !said)
		return 0;
	if (real->size != said->size)
		return error_set(e, STATUS_DATA, "%.300s: it has %lld bytes, in the weight %lld",
				 real->path, (long long)real->size, (long long)said->size);
	if (!digest_equal(&real->digest, &said->digest))
		return error_set(e, STATUS_DATA, "%.300s: it has the digest %s, in the weight %s",
				 real->path, real->digest.text, said->digest.text);
	return 0;
}

static int compare_folder(const struct check *c, struct error *e)
{
	size_t most = c->folder.count > c->weight.file_count ? c->folder.count : c->weight.file_count;
	for (size_t i = 0; i < most; i++)
		if (compare_file(i < c->folder.count ? &c->folder.files[i] : NULL,
				 i < c->weight.file_count ? &c->weight.files[i] : NULL, e))
			return -1;
	return 0;
}

/* --- The layers against manifest and config -----------------------------------------------------
 */

static int find_path(const void *key, const void *file)
{
	return strcmp(key, ((const struct weight_file *)file)->path);
}

static int check_type(const struct descriptor *d, const void *first, size_t len, struct error *e)
{
	const char *type = d->media_type;
	enum encoding real = encoding_sniff(first, len);
	bool is_said = strcmp(type, MEDIA_TYPE_LAYER) == 0	  ? real == ENCODING_TAR
		       : strcmp(type, MEDIA_TYPE_LAYER_GZIP) == 0 ? real == ENCODING_GZIP
		       : strcmp(type, MEDIA_TYPE_LAYER_ZSTD) == 0 ? real == ENCODING_ZSTD
								  : false;
	return is_said ? 0 : error_set(e, STATUS_DATA, "its bytes are not of the type '%.80s'", type);
}

static int check_blob(const struct source *source, const struct descriptor *d, struct error *e)
{
	struct digest real;
	struct hasher *hasher = hasher_new();
	char *block = malloc(READ_BLOCK);
	int64_t at = 0, n = 1;
	int rc = block ? 0 : error_errno(e, "memory");
	while (rc == 0 && n) {
		n = source_read(source, at, block, READ_BLOCK, e);
		if (program_is_interrupted())
			rc = program_interrupted(e);
		else if (n < 0)
			rc = -1;
		else if (n > 0 && at == 0)
			rc = check_type(d, block, (size_t)n, e);
		if (n > 0)
			hasher_update(hasher, block, (size_t)n);
		at += n;
	}
	hasher_final(hasher, &real);
	hasher_free(hasher);
	free(block);
	if (rc == 0 && !digest_equal(&real, &d->digest))
		rc = error_set(e, STATUS_DATA, "its bytes have the digest %s", real.text);
	return rc;
}

static int hash_member(struct tarball *tarball, struct digest *d, struct error *e)
{
	const void *data;
	size_t len;
	int more;
	struct hasher *hasher = hasher_new();
	while ((more = tarball_read(tarball, &data, &len, e)) > 0 && !program_is_interrupted())
		hasher_update(hasher, data, len);
	hasher_final(hasher, d);
	hasher_free(hasher);
	return more > 0 ? program_interrupted(e) : more;
}

static int check_member(struct check *c, const struct weight_layer *layer, struct tarball *tarball,
			const struct tarball_member *m, struct error *e)
{
	struct digest real;
	const struct weight *w = &c->weight;
	const struct weight_file *file =
		bsearch(m->path, w->files, w->file_count, sizeof *w->files, find_path);
	if (m->is_link)
		return error_set(e, STATUS_DATA, "%.300s: it is a link", m->path);
	if (!file || !digest_equal(&file->layer, &layer->descriptor.digest))
		return error_set(e, STATUS_DATA, "%.300s: the config does not place it there", m->path);
	if (c->is_found[file - w->files])
		return error_set(e, STATUS_DATA, "%.300s: it is there twice", m->path);
	c->is_found[file - w->files] = true;
	if (m->size != file->size)
		return error_set(e, STATUS_DATA, "%.300s: it has %lld bytes, in the config %lld", m->path,
				 (long long)m->size, (long long)file->size);
	if (hash_member(tarball, &real, e))
		return -1;
	if (!digest_equal(&real, &file->digest))
		return error_set(e, STATUS_DATA, "%.300s: it has the digest %s, in the config %s", m->path,
				 real.text, file->digest.text);
	return 0;
}

static int check_members(struct check *c, const struct weight_layer *layer,
			 const struct source *source, struct error *e)
{
	struct tarball_member *m = malloc(sizeof *m);
	if (!m)
		return error_errno(e, "memory");
	struct tarball *tarball = tarball_new_source(source, e);
	int64_t bytes = 0;
	int more = tarball ? 1 : -1;
	while (more > 0 && (more = tarball_next(tarball, m, e)) > 0) {
		if (check_member(c, layer, tarball, m, e))
			more = -1;
		bytes += m->size;
	}
	if (more == 0 && tarball_strange(tarball))
		more = error_set(e, STATUS_DATA,
				 "%zu of its members are devices or FIFOs, or have a mode that is more than permissions",
				 tarball_strange(tarball));
	if (more == 0 && bytes != layer->file_bytes)
		more = error_set(e, STATUS_DATA, "its files have %lld bytes, the manifest says %lld",
				 (long long)bytes, (long long)layer->file_bytes);
	tarball_free(tarball);
	free(m);
	return more;
}

static int check_layer(void *context, size_t number, struct error *e)
{
	struct check *c = context;
	const struct weight_layer *layer = &c->weight.layers[number];
	const struct descriptor *d = &layer->descriptor;
	struct source source;
	program_trace("read layer %s of %lld bytes", d->digest.text, (long long)d->size);
	/* A failure here names the blob itself. */
	const struct recipe_roots root = {.fds = {c->folder.fd}, .count = 1};
	if (recipe_open(c->layout, &d->digest, d->size, &root, &source, e)) {
		source_release(&source);
		return -1;
	}
	int rc = check_blob(&source, d, e);
	if (rc == 0)
		rc = check_members(c, layer, &source, e);
	if (rc == 0)
		rc = source_check(&source, e);
	source_release(&source);
	return rc && e->status == STATUS_DATA ? error_prefix(e, d->digest.text) : rc;
}

/* What the config has and no layer does. */
static int check_found(const struct check *c, struct error *e)
{
	for (size_t i = 0; i < c->weight.file_count; i++)
		if (!c->is_found[i])
			return error_set(e, STATUS_DATA, "%.300s: it is not in the layer %s",
					 c->weight.files[i].path, c->weight.files[i].layer.text);
	return 0;
}

int weightcheck(const struct layout *l, const char *name, const char *source, int threads,
		struct error *e)
{
	struct check c = {.layout = l, .folder = {.fd = -1}};
	struct descriptor d;
	int rc = -1;
	if (find(l, name, &d, e) || read_documents(l, &d, &c.weight, e))
		goto out;
	c.is_found = calloc(c.weight.file_count + 1, sizeof *c.is_found);
	if (!c.is_found) {
		error_errno(e, "memory");
		goto out;
	}
	if (folder_open(&c.folder, source, l->fd, e) || folder_hash(&c.folder, threads, false, e) ||
	    compare_folder(&c, e) || pool_run(threads, c.weight.layer_count, check_layer, &c, e) ||
	    check_found(&c, e))
		goto out;
	rc = 0;
out:
	free(c.is_found);
	folder_release(&c.folder);
	weight_release(&c.weight);
	return rc;
}
