/* SPDX-License-Identifier: Apache-2.0 */
/* All files are found and hashed, and the layers are planned, before a byte is stored. Then come the
 * layers that stay plain, as many at once as there are threads, and one after the other those that are
 * compressed, each by all threads. A layer is announced when it is complete, the image last.
 *
 * Layers by reference come first of all. Their files are read just once, for both digests: that of the file
 * and that of the layer. */
#include "weights.h"

#include "clock.h"
#include "entry.h"
#include "event.h"
#include "folder.h"
#include "hashes.h"
#include "pool.h"
#include "program.h"
#include "recipe.h"
#include "space.h"
#include "weight.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TELL_MS = 250 };

struct packing_run {
	const struct weights_job *job;
	struct layout layout;
	struct folder folder;
	struct parcels parcels;
	struct weight_layer *layers; /* as long as the parcels, and in their order */
	const struct parcel **batch; /* those that are being packed side by side */
	pthread_mutex_t lock; /* of layout_temporary() */
};

struct progress {
	const struct parcel *parcel;
	int64_t bytes; /* of the tar so far */
	int64_t last_ms; /* of the last record */
};

/* A layer while it is stored. */
struct store {
	struct packing_run *run;
	struct compressor *compressor;
	struct progress progress;
};

static bool is_plain(const struct packing_run *r, const struct parcel *p)
{
	return r->job->compression.codec == CODEC_NONE || p->is_dense;
}

static bool is_reference(const struct packing_run *r, const struct parcel *p)
{
	return r->job->is_by_reference && !p->is_shared && is_plain(r, p);
}

static bool is_stored_plain(const struct packing_run *r, const struct parcel *p)
{
	return is_plain(r, p) && !is_reference(r, p);
}

/* Tells of LEN bytes more. */
static int tell(struct progress *p, size_t len, struct error *e)
{
	p->bytes += (int64_t)len;
	int64_t now_ms = clock_now_ms();
	if (now_ms - p->last_ms < TELL_MS)
		return 0;
	p->last_ms = now_ms;
	return event_convert(p->parcel->files[0]->path, p->bytes, p->parcel->tar_bytes, NULL, e);
}

static int store_bytes(void *context, const void *data, size_t len, struct error *e)
{
	struct store *s = context;
	return compressor_write(s->compressor, data, len, e) ? -1 : tell(&s->progress, len, e);
}

static int store_file(void *context, const struct folder_file *file, struct error *e)
{
	struct store *s = context;
	return folder_read(&s->run->folder, file, store_bytes, s, e);
}

static int open_temporary(struct packing_run *r, char *name, struct error *e)
{
	pthread_mutex_lock(&r->lock);
	int fd = layout_temporary(&r->layout, name, e);
	pthread_mutex_unlock(&r->lock);
	return fd;
}

/* Writes the tar of a parcel to FD. */
static int fill(struct packing_run *r, const struct parcel *p, int fd, struct packed *packed,
		struct error *e)
{
	static const struct parcel_visitor writer = {store_bytes, store_file};
	struct store s = {.run = r, .progress = {.parcel = p, .last_ms = clock_now_ms()}};
	s.compressor = compressor_new(fd, r->layout.path, is_plain(r, p) ? PACK_KEEP : PACK_COMPRESS,
				      &r->job->compression);
	int rc = parcel_visit(p, &writer, &s, e);
	if (rc == 0)
		rc = compressor_finish(s.compressor, packed, e);
	compressor_free(s.compressor);
	if (rc == 0 && packed->raw_size != p->tar_bytes)
		rc = error_set(e, STATUS_FAILED, "a layer has %lld bytes, %lld were planned",
			       (long long)packed->raw_size, (long long)p->tar_bytes);
	return rc;
}

static void describe(struct weight_layer *layer, const struct parcel *p, const struct packed *packed)
{
	const char *type = !packed->is_packed		      ? MEDIA_TYPE_LAYER
			   : packed->form == ENCODING_ZSTD ? MEDIA_TYPE_LAYER_ZSTD
							   : MEDIA_TYPE_LAYER_GZIP;
	*layer = (struct weight_layer){
		.descriptor = {.digest = packed->blob, .size = packed->blob_size, .kind = KIND_LAYER},
		.file_bytes = p->file_bytes,
	};
	snprintf(layer->descriptor.media_type, sizeof layer->descriptor.media_type, "%s", type);
}

/* The layer of P is complete. */
static int announce(struct packing_run *r, const struct parcel *p, const struct packed *packed,
		    struct error *e)
{
	struct weight_layer *layer = &r->layers[p - r->parcels.list];
	describe(layer, p, packed);
	program_trace("%s%s: %lld bytes, %s", p->files[0]->path, p->count > 1 ? " and others" : "",
		      (long long)p->file_bytes,
		      packed->is_packed	   ? "compressed"
		      : is_reference(r, p) ? "by reference"
					   : "plain");
	return event_blob(&layer->descriptor, &packed->diff_id, packed->diff_size, e);
}

static int store_parcel(struct packing_run *r, const struct parcel *p, struct error *e)
{
	struct layout *l = &r->layout;
	char name[LAYOUT_TEMPORARY_SIZE];
	struct packed packed;
	int fd = open_temporary(r, name, e);
	if (fd < 0)
		return -1;
	int rc = fill(r, p, fd, &packed, e);
	if (close(fd) && rc == 0)
		rc = error_errno(e, "write %s", l->path);
	if (rc == 0)
		rc = layout_commit(l, name, &packed.blob, packed.blob_size, e);
	if (rc) {
		workdir_remove(l->work.fd, name);
		return rc;
	}
	return announce(r, p, &packed, e);
}

/* --- By reference -------------------------------------------------------------------------------
 */

/* A layer while it is hashed. */
struct draft {
	struct packing_run *run;
	struct progress progress;
	struct hasher *layer, *file;
	struct buffer head; /* what comes before the file */
	bool has_file;
	bool is_hashed; /* the file's digest is not known yet */
};

static int draft_bytes(void *context, const void *data, size_t len, struct error *e)
{
	struct draft *d = context;
	hasher_update(d->layer, data, len);
	d->progress.bytes += (int64_t)len;
	return d->has_file ? 0 : buffer_append(&d->head, data, len, e);
}

static int draft_block(void *context, const void *data, size_t len, struct error *e)
{
	struct draft *d = context;
	if (d->is_hashed)
		hasher_update(d->file, data, len);
	hasher_update(d->layer, data, len);
	return tell(&d->progress, len, e);
}

static int draft_file(void *context, const struct folder_file *file, struct error *e)
{
	struct draft *d = context;
	struct folder *folder = &d->run->folder;
	d->has_file = true;
	d->is_hashed = !digest_is_set(&file->digest);
	if (folder_read(folder, file, draft_block, d, e))
		return -1;
	if (d->is_hashed)
		hasher_final(d->file, &folder->files[file - folder->files].digest);
	return 0;
}

/* Writes what D has turned out to be. */
static int write_recipe(struct draft *d, const struct parcel *p, struct error *e)
{
	struct packing_run *r = d->run;
	struct packed packed = {.blob_size = p->tar_bytes, .diff_size = p->tar_bytes};
	struct source source = {
		.size = p->tar_bytes,
		.is_reference = true,
		.head = d->head.data,
		.head_len = d->head.len,
		.path = p->files[0]->path,
		.length = p->files[0]->size,
		.pin = p->files[0]->pin,
	};
	hasher_final(d->layer, &packed.blob);
	packed.diff_id = packed.blob;
	pthread_mutex_lock(&r->lock);
	int rc = recipe_write(&r->layout, &packed.blob, &source, e);
	pthread_mutex_unlock(&r->lock);
	return rc ? rc : announce(r, p, &packed, e);
}

static int refer_to_parcel(struct packing_run *r, const struct parcel *p, struct error *e)
{
	static const struct parcel_visitor drafter = {draft_bytes, draft_file};
	struct draft d = {.run = r, .progress = {.parcel = p, .last_ms = clock_now_ms()}};
	d.layer = hasher_new();
	d.file = hasher_new();
	buffer_init(&d.head, RECIPE_HEAD_MAX);
	int rc = parcel_visit(p, &drafter, &d, e);
	if (rc == 0)
		rc = write_recipe(&d, p, e);
	buffer_release(&d.head);
	hasher_free(d.layer);
	hasher_free(d.file);
	return rc;
}

/* --- All of them --------------------------------------------------------------------------------
 */

static int pack_one(void *context, size_t number, struct error *e)
{
	struct packing_run *r = context;
	const struct parcel *p = r->batch[number];
	return is_reference(r, p) ? refer_to_parcel(r, p, e) : store_parcel(r, p, e);
}

/* Packs the parcels of one kind, side by side. */
static int pack_batch(struct packing_run *r,
		      bool (*is_of_kind)(const struct packing_run *r, const struct parcel *p),
		      struct error *e)
{
	size_t count = 0;
	for (size_t i = 0; i < r->parcels.count; i++)
		if (is_of_kind(r, &r->parcels.list[i]))
			r->batch[count++] = &r->parcels.list[i];
	return pool_run(r->job->compression.threads, count, pack_one, r, e);
}

static int pack(struct packing_run *r, struct error *e)
{
	const struct parcels *all = &r->parcels;
	r->layers = calloc(all->count, sizeof *r->layers);
	r->batch = calloc(all->count, sizeof(const struct parcel *));
	if (!r->layers || !r->batch)
		return error_errno(e, "memory");
	program_trace("hash %zu files of %lld bytes", r->folder.count, (long long)r->folder.bytes);
	if (pack_batch(r, is_reference, e) || folder_hash(&r->folder, r->job->compression.threads, true, e) ||
	    pack_batch(r, is_stored_plain, e))
		return -1;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		if (!is_plain(r, &all->list[i]))
			rc = store_parcel(r, &all->list[i], e);
	return rc;
}

/* What is known of the weight, in the form of its documents. */
static int collect(const struct packing_run *r, struct weight *w, struct error *e)
{
	const struct folder_file *first = r->folder.files;
	if (weight_init(w, r->folder.count, r->parcels.count, e))
		return -1;
	w->name = strdup(r->job->name);
	w->target = strdup(r->job->target);
	if (!w->name || !w->target)
		return error_errno(e, "memory");
	for (size_t i = 0; i < w->file_count; i++) {
		w->files[i] = (struct weight_file){.size = first[i].size, .digest = first[i].digest};
		w->files[i].path = strdup(first[i].path);
		if (!w->files[i].path)
			return error_errno(e, "memory");
	}
	for (size_t i = 0; i < w->layer_count; i++) {
		const struct parcel *p = &r->parcels.list[i];
		w->layers[i] = r->layers[i];
		for (size_t k = 0; k < p->count; k++)
			w->files[p->files[k] - first].layer = r->layers[i].descriptor.digest;
	}
	weight_sort_layers(w);
	weight_set_digest(w->files, w->file_count, &w->set_digest);
	return 0;
}

static int store_config(struct layout *l, const struct weight *w, struct descriptor *d, struct error *e)
{
	char *text = weight_config(w);
	if (!text)
		return error_errno(e, "memory");
	d->size = (int64_t)strlen(text);
	int rc = layout_put(l, text, strlen(text), &d->digest, e);
	free(text);
	return rc ? rc : event_blob(d, NULL, -1, e);
}

static int finish(struct packing_run *r, const struct weight *w, struct error *e)
{
	struct descriptor config = {.kind = KIND_CONFIG, .media_type = MEDIA_TYPE_WEIGHT_CONFIG};
	char tag[WEIGHT_TAG_SIZE];
	weight_tag(tag, w->name, &w->set_digest);
	if (store_config(&r->layout, w, &config, e))
		return -1;
	char *text = weight_manifest(w, &config);
	if (!text)
		return error_errno(e, "memory");
	const struct entry entry = {
		.text = text, .tag = tag, .artifact_type = MEDIA_TYPE_WEIGHT, .kind = KIND_MANIFEST};
	int rc = entry_add(&r->layout, &entry, e);
	free(text);
	return rc;
}

/* Whether the layout has nothing but this weight: what is in it need not be stored again. */
static bool is_own_layout(const struct packing_run *r)
{
	struct digest any;
	struct manifest index;
	struct error ignored;
	char tag[WEIGHT_TAG_SIZE];
	bool is_own = true;
	digest_of(&any, "", 0);
	weight_tag(tag, r->job->name, &any);
	size_t len = (size_t)(strrchr(tag, '.') + 1 - tag);
	(void)layout_list(&r->layout, &index, &ignored);
	for (size_t i = 0; i < index.count; i++)
		is_own = is_own && strncmp(descriptor_name(&index.items[i]), tag, len) == 0;
	manifest_release(&index);
	return is_own;
}

/* Room for all tars as they are, but for those by reference. */
static int check_space(const struct packing_run *r, struct error *e)
{
	int64_t bytes = 0;
	for (size_t i = 0; i < r->parcels.count; i++)
		if (!is_reference(r, &r->parcels.list[i]))
			bytes += r->parcels.list[i].tar_bytes;
	if (is_own_layout(r))
		bytes -= space_used(r->layout.blobs_fd);
	return space_check(r->layout.blobs_fd, r->layout.path, bytes, SPACE_ADVICE, e);
}

/* Opens the layout, or the folder in which it is to be made; -1 where there is neither. */
static int open_place(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *copy = fd < 0 && errno == ENOENT ? strdup(dir) : NULL;
	if (copy)
		fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	return fd;
}

static int plan(struct packing_run *r, struct error *e)
{
	const struct weights_job *job = r->job;
	int place = open_place(job->dir);
	int rc = folder_open(&r->folder, job->source, place, e);
	if (place >= 0)
		close(place);
	if (rc == 0 && job->hashes)
		rc = hashes_read(job->hashes, &r->folder, e);
	if (rc == 0)
		rc = parcels_plan(&r->parcels, &r->folder, &job->limits, e);
	if (rc == 0 && job->compression.codec != CODEC_NONE)
		rc = parcels_probe(&r->parcels, &r->folder, e);
	return rc;
}

static int run(struct packing_run *r, struct weight *w, struct error *e)
{
	if (plan(r, e))
		return -1;
	int rc = -1;
	if (layout_create(&r->layout, r->job->dir, e) == 0 && check_space(r, e) == 0 &&
	    event_phase(PHASE_CONVERTING, e) == 0 && pack(r, e) == 0 && collect(r, w, e) == 0)
		rc = finish(r, w, e);
	layout_release(&r->layout);
	return rc;
}

int weights_pack(const struct weights_job *job, struct error *e)
{
	struct packing_run r = {.job = job, .folder = {.fd = -1}};
	struct weight w = {0};
	if (weight_check_name(job->name, e) || weight_check_target(job->target, e))
		return -1;
	if (pthread_mutex_init(&r.lock, NULL))
		abort();
	int rc = run(&r, &w, e);
	pthread_mutex_destroy(&r.lock);
	weight_release(&w);
	free(r.layers);
	free(r.batch);
	parcels_release(&r.parcels);
	folder_release(&r.folder);
	return rc;
}
