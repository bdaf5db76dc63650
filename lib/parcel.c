/* SPDX-License-Identifier: Apache-2.0 */
/* The tar of a layer: the folders that its files are in, sorted by path, then the files, sorted by path. */
#include "parcel.h"

#include "buffer.h"
#include "deflate.h"
#include "pax.h"

#include <stdlib.h>
#include <string.h>

enum {
	SAMPLE = 64 * 1024, /* bytes; so few are always deflated, never stored */
	SAMPLES = 16,
	LEAST_GAIN = 25, /* percent */
	HEADER_MAX = 64 * 1024,
};

static int count_bytes(void *context, const void *data, size_t len, struct error *e)
{
	(void)data, (void)e;
	*(int64_t *)context += (int64_t)len;
	return 0;
}

static int count_file(void *context, const struct folder_file *file, struct error *e)
{
	(void)e;
	*(int64_t *)context += file->size;
	return 0;
}

static int measure(struct parcels *p, struct error *e)
{
	static const struct parcel_visitor counter = {count_bytes, count_file};
	for (size_t i = 0; i < p->count; i++)
		if (parcel_visit(&p->list[i], &counter, &p->list[i].tar_bytes, e))
			return -1;
	return 0;
}

static void add(struct parcel *parcel, const struct folder_file *file)
{
	parcel->files[parcel->count++] = file;
	parcel->file_bytes += file->size;
}

int parcels_plan(struct parcels *p, const struct folder *f, const struct parcel_limits *limits,
		 struct error *e)
{
	size_t used = 0;
	*p = (struct parcels){0};
	p->list = calloc(f->count, sizeof *p->list);
	p->order = calloc(f->count, sizeof(const struct folder_file *));
	if (!p->list || !p->order)
		return error_errno(e, "memory");
	struct parcel *last = NULL;
	for (size_t i = 0; i < f->count; i++) {
		const struct folder_file *file = &f->files[i];
		if (file->size >= limits->file_max)
			continue;
		if (!last || (last->file_bytes && file->size > limits->size_max - last->file_bytes)) {
			last = &p->list[p->count++];
			*last = (struct parcel){.files = p->order + used, .is_shared = true};
		}
		add(last, file);
		used++;
	}
	for (size_t i = 0; i < f->count; i++) {
		if (f->files[i].size < limits->file_max)
			continue;
		p->list[p->count] = (struct parcel){.files = p->order + used++};
		add(&p->list[p->count++], &f->files[i]);
	}
	return measure(p, e);
}

void parcels_release(struct parcels *p)
{
	free(p->list);
	free(p->order);
	*p = (struct parcels){0};
}

/* Samples from all over the file: headers and embeddings say little about the rest. */
static int probe(struct parcel *parcel, const struct folder *f, struct deflater *d,
		 unsigned char *memory, struct error *e)
{
	const struct folder_file *file = parcel->files[0];
	int64_t given = 0, deflated = 0;
	int64_t step = file->size > SAMPLE ? (file->size - SAMPLE) / (SAMPLES - 1) : 0;
	unsigned char *out = memory + SAMPLE + DEFLATE_PADDING;
	for (int i = 0; i < (step ? SAMPLES : 1); i++) {
		int64_t n = folder_look(f, file, i * step, memory, SAMPLE, e);
		if (n < 0)
			return -1;
		memset(memory + n, 0, DEFLATE_PADDING);
		given += n;
		deflated += (int64_t)deflate_block(d, memory, (size_t)n, out);
	}
	parcel->is_dense = deflated * 100 > given * (100 - LEAST_GAIN);
	return 0;
}

int parcels_probe(struct parcels *p, const struct folder *f, struct error *e)
{
	int rc = 0;
	struct deflater *d = deflater_new(DEFLATE_LEVEL_MIN);
	unsigned char *memory = malloc(SAMPLE + DEFLATE_PADDING + DEFLATE_BOUND);
	if (!memory)
		rc = error_errno(e, "memory");
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		if (!p->list[i].is_shared)
			rc = probe(&p->list[i], f, d, memory, e);
	free(memory);
	deflater_free(d);
	return rc;
}

/* --- The pieces ---------------------------------------------------------------------------------
 */

/* A folder is the beginning of the path of a file in it. */
struct place {
	const char *path;
	size_t len;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = memcmp(x->path, y->path, x->len < y->len ? x->len : y->len);
	return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

static size_t count_slashes(const char *path)
{
	size_t count = 0;
	for (; *path; path++)
		count += *path == '/';
	return count;
}

/* The folders of the files, each once; paths that begin alike are neighbours. *COUNT is 0 and the result
 * NULL where there are none. The caller frees it. */
static struct place *list_places(const struct parcel *p, size_t *count)
{
	size_t most = 0;
	*count = 0;
	for (size_t i = 0; i < p->count; i++)
		most += count_slashes(p->files[i]->path);
	struct place *places = most ? calloc(most, sizeof *places) : NULL;
	for (size_t i = 0; places && i < p->count; i++) {
		const char *path = p->files[i]->path, *before = i ? p->files[i - 1]->path : "";
		for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			size_t len = (size_t)(slash - path);
			if (strncmp(path, before, len + 1) != 0)
				places[(*count)++] = (struct place){path, len};
		}
	}
	if (places)
		qsort(places, *count, sizeof *places, compare_places);
	else if (most)
		*count = SIZE_MAX;
	return places;
}

static int visit_folders(const struct parcel *p, const struct parcel_visitor *visitor, void *context,
			 struct buffer *header, struct error *e)
{
	size_t count;
	int rc = 0;
	struct place *places = list_places(p, &count);
	if (count == SIZE_MAX)
		return error_errno(e, "memory");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		buffer_clear(header);
		rc = pax_folder(header, places[i].path, places[i].len, e);
		if (rc == 0)
			rc = visitor->bytes(context, header->data, header->len, e);
	}
	free(places);
	return rc;
}

int parcel_visit(const struct parcel *p, const struct parcel_visitor *visitor, void *context,
		 struct error *e)
{
	static const char zeros[PAX_END_LEN];
	struct buffer header;
	buffer_init(&header, HEADER_MAX);
	int rc = visit_folders(p, visitor, context, &header, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		const struct folder_file *file = p->files[i];
		size_t padding = pax_padding(file->size);
		buffer_clear(&header);
		rc = pax_file(&header, file->path, file->size, e);
		if (rc == 0)
			rc = visitor->bytes(context, header.data, header.len, e);
		if (rc == 0)
			rc = visitor->file(context, file, e);
		if (rc == 0 && padding)
			rc = visitor->bytes(context, zeros, padding, e);
	}
	if (rc == 0)
		rc = visitor->bytes(context, zeros, PAX_END_LEN, e);
	buffer_release(&header);
	return rc;
}
