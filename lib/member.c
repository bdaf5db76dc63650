/* SPDX-License-Identifier: Apache-2.0 */
#include "member.h"

#include "clock.h"
#include "event.h"
#include "file.h"
#include "inflate.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LINKS_MAX = 16,			/* that a path may lead over */
	TEXT_MAX = 32 << 20,		/* bytes of all paths */
	COPY_BLOCK = 128 * 1024,
	TELL_MS = 250,
};

void members_init(struct members *t, struct layout *layout, const struct compression *compression)
{
	*t = (struct members){.layout = layout, .compression = *compression};
}

void members_release(struct members *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->list[i].path);
		free(t->list[i].target);
	}
	free(t->list);
	*t = (struct members){0};
}

static int reserve(struct members *t, struct error *e)
{
	if (t->count < t->capacity)
		return 0;
	size_t capacity = t->capacity ? 2 * t->capacity : 64;
	struct member *list = realloc(t->list, capacity * sizeof *list);
	if (!list)
		return error_errno(e, "memory");
	t->list = list;
	t->capacity = capacity;
	return 0;
}

struct member *members_add(struct members *t, const struct tarball_member *m, struct error *e)
{
	t->text_bytes += strlen(m->path) + strlen(m->target);
	if (t->text_bytes > TEXT_MAX) {
		error_set(e, STATUS_DATA, "the names in the tar take more than %d bytes", TEXT_MAX);
		return NULL;
	}
	if (reserve(t, e))
		return NULL;
	struct member *new = &t->list[t->count];
	*new = (struct member){.order = t->count, .size = m->size};
	new->path = strdup(m->path);
	new->target = m->is_link ? strdup(m->target) : NULL;
	if (!new->path || (m->is_link && !new->target)) {
		error_errno(e, "memory");
		free(new->path);
		free(new->target);
		return NULL;
	}
	t->count++;
	return new;
}

/* By path; of equal paths the last in the tar comes first. */
static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = strcmp(x->path, y->path);
	return order ? order : x->order < y->order ? 1 : -1;
}

void members_sort(struct members *t)
{
	if (t->count)
		qsort(t->list, t->count, sizeof *t->list, compare);
	t->is_sorted = true;
}

static struct member *lookup(struct members *t, const char *path)
{
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(t->list[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->count && strcmp(t->list[low].path, path) == 0 ? &t->list[low] : NULL;
}

struct member *members_find(struct members *t, const char *path, const char *what,
			    struct error *e)
{
	char clean[TARBALL_PATH_SIZE];
	if (tarball_clean(clean, "", path, false)) {
		error_set(e, STATUS_DATA, "%s '%.200s': a path must be relative and without ..", what,
			  path);
		return NULL;
	}
	struct member *m = lookup(t, clean);
	for (int hops = 0; m && m->target; hops++) {
		if (hops == LINKS_MAX) {
			error_set(e, STATUS_DATA, "%s '%.200s': its links go round in a circle", what,
				  path);
			return NULL;
		}
		m = lookup(t, m->target);
	}
	if (!m)
		error_set(e, STATUS_DATA, "%s '%.200s' is not in the tar", what, path);
	return m;
}

struct member *members_look(struct members *t, const char *path)
{
	struct error ignored;
	return members_find(t, path, "", &ignored);
}

struct member *members_blob(struct members *t, const struct digest *d)
{
	char path[TARBALL_PATH_SIZE];
	snprintf(path, sizeof path, "blobs/sha256/%s", digest_hex(d));
	return members_look(t, path);
}

/* Whether it is what images never want in another form. */
static bool is_compressed(const struct member *m)
{
	return m->encoding == ENCODING_GZIP || m->encoding == ENCODING_ZSTD;
}

/* A temporary file that a compressor fills. */
struct store {
	char name[LAYOUT_TEMPORARY_SIZE];
	int fd;
	struct compressor *compressor;
};

static int store_begin(struct store *s, struct members *t, enum packing packing, struct error *e)
{
	s->compressor = NULL;
	s->fd = layout_temporary(t->layout, s->name, e);
	if (s->fd < 0)
		return -1;
	s->compressor = compressor_new(s->fd, t->layout->path, packing, &t->compression);
	return 0;
}

/* Ends the file. On success (RC 0) it becomes what M has; otherwise it is removed. */
static int store_end(struct store *s, struct members *t, struct member *m, int rc, struct error *e)
{
	struct packed packed;
	if (rc == 0)
		rc = compressor_finish(s->compressor, &packed, e);
	compressor_free(s->compressor);
	if (s->fd >= 0 && close(s->fd) && rc == 0)
		rc = error_errno(e, "write %s", t->layout->path);
	if (rc) {
		if (s->fd >= 0)
			workdir_remove(t->layout->work.fd, s->name);
		return rc;
	}
	if (*m->temporary)
		workdir_remove(t->layout->work.fd, m->temporary);
	memcpy(m->temporary, s->name, sizeof m->temporary);
	m->encoding = packed.encoding;
	m->packed = packed;
	m->is_stored = true;
	const struct known_layer *known = known_by_blob(t->known, &packed.raw);
	if (known && is_compressed(m))
		member_take(t, m, known);
	return 0;
}

/* A `convert` record, at most four a second. */
static int tell(const struct member *m, int64_t bytes, int64_t *last_ms, struct error *e)
{
	int64_t now_ms = clock_now_ms();
	if (now_ms - *last_ms < TELL_MS)
		return 0;
	*last_ms = now_ms;
	return event_convert(m->path, bytes, m->size, m->diff_id, e);
}

int member_store(struct members *t, struct member *m, struct tarball *tarball, const void *first,
		 size_t len, struct error *e)
{
	struct store s;
	int64_t last_ms = clock_now_ms();
	const void *data = first;
	int64_t bytes = 0;
	int more = 1;
	int rc = store_begin(&s, t, m->packing, e);
	while (rc == 0 && more > 0) {
		bytes += (int64_t)len;
		rc = program_is_interrupted() ? program_interrupted(e)
					      : compressor_write(s.compressor, data, len, e);
		if (rc == 0 && !t->is_silent)
			rc = tell(m, bytes, &last_ms, e);
		if (rc == 0 && (more = tarball_read(tarball, &data, &len, e)) < 0)
			rc = -1;
	}
	return store_end(&s, t, m, rc, e);
}

static int parse_hex(const char *text, struct digest *d)
{
	char whole[DIGEST_TEXT_LEN + 1];
	snprintf(whole, sizeof whole, "sha256:%.*s", DIGEST_HEX_LEN, text);
	return digest_parse(d, whole);
}

/* The digest that the last part of a path is, with or without "sha256:" and a suffix, or the folder of a
 * layer.tar. */
static int parse_name(const char *path, struct digest *d)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	if (slash && strcmp(name, "layer.tar") == 0)
		return slash - path == DIGEST_HEX_LEN ? parse_hex(path, d) : -1;
	if (strncmp(name, "sha256:", 7) == 0)
		name += 7;
	return strcspn(name, ".") == DIGEST_HEX_LEN ? parse_hex(name, d) : -1;
}

const struct known_layer *member_find_known(const struct members *t, const struct member *m)
{
	struct digest named;
	if (!t->known || parse_name(m->path, &named))
		return NULL;
	bool is_packed = t->compression.codec != CODEC_NONE;
	if (m->encoding == ENCODING_TAR) {
		const struct known_layer *known = known_by_diff_id(t->known, &named, is_packed);
		return known ? known : known_by_saved_id(t->known, &named, is_packed);
	}
	return is_compressed(m) ? known_by_blob(t->known, &named) : NULL;
}

int member_drop(struct member *m, struct tarball *tarball, size_t len,
		const struct known_layer *known, struct error *e)
{
	int64_t bytes = 0, last_ms = clock_now_ms();
	const void *data;
	int more = 1;
	while (more > 0) {
		bytes += (int64_t)len;
		if (program_is_interrupted())
			return program_interrupted(e);
		if (tell(m, bytes, &last_ms, e) || (more = tarball_read(tarball, &data, &len, e)) < 0)
			return -1;
	}
	m->packed = (struct packed){.encoding = m->encoding, .raw_size = bytes, .diff_id = known->diff_id};
	m->packed.raw = is_compressed(m) ? known->blob : known->diff_id;
	m->is_dropped = true;
	return 0;
}

void member_take(struct members *t, struct member *m, const struct known_layer *known)
{
	if (*m->temporary)
		workdir_remove(t->layout->work.fd, m->temporary);
	m->temporary[0] = '\0';
	if (!m->is_stored && !m->is_dropped)
		m->packed = (struct packed){
			.raw = known->blob, .raw_size = known->size, .diff_id = known->diff_id};
	m->packed.is_packed = !is_compressed(m) && !digest_equal(&known->blob, &known->diff_id);
	m->packed.form = !m->packed.is_packed			  ? m->encoding
			 : t->compression.codec == CODEC_ZSTD ? ENCODING_ZSTD
							      : ENCODING_GZIP;
	m->packed.blob = known->blob;
	m->packed.blob_size = known->size;
	m->is_stored = true;
	m->known = known;
}

int member_check_stored(const struct member *m, struct error *e)
{
	return m->is_stored ? 0
			    : error_set(e, STATUS_FAILED,
					"%s: it was passed over as known, and the image needs it in "
					"another form: try again without --known", m->path);
}

static int open_stored(const struct members *t, const struct member *m, struct error *e)
{
	if (*m->temporary)
		return file_open(t->layout->work.fd, m->temporary, NULL, e);
	return layout_open_blob(t->layout, &m->packed.blob, m->packed.blob_size, e);
}

static int compress_sink(void *context, const void *data, size_t len, struct error *e)
{
	return compressor_write(context, data, len, e);
}

/* Copies FD to the compressor, inflated when M is packed. */
static int copy(int fd, const struct member *m, struct compressor *to, struct error *e)
{
	bool is_packed = m->packed.is_packed, is_zstd = m->packed.form == ENCODING_ZSTD;
	struct inflater *inflater = is_packed ? inflater_new(is_zstd, compress_sink, to) : NULL;
	char block[COPY_BLOCK];
	ssize_t n;
	int rc = 0;
	while (rc == 0 && (n = read(fd, block, sizeof block)) != 0) {
		if (program_is_interrupted())
			rc = program_interrupted(e);
		else if (n < 0)
			rc = errno == EINTR ? 0 : error_errno(e, "read a temporary blob");
		else if (is_packed)
			rc = inflater_write(inflater, block, (size_t)n, e);
		else
			rc = compressor_write(to, block, (size_t)n, e);
	}
	if (rc == 0 && is_packed)
		rc = inflater_finish(inflater, e);
	inflater_free(inflater);
	return rc;
}

int member_repack(struct members *t, struct member *m, struct error *e)
{
	enum packing packing = m->packing;
	if (m->known)
		return 0;
	if (packing == PACK_AUTO)
		packing = m->packed.is_packed ? PACK_COMPRESS : PACK_KEEP;
	bool is_to_be_packed = packing == PACK_COMPRESS && t->compression.codec != CODEC_NONE;
	if (m->packed.is_packed == is_to_be_packed)
		return 0;
	struct store s;
	struct digest raw = m->packed.raw;
	int fd = open_stored(t, m, e);
	if (fd < 0)
		return -1;
	int rc = store_begin(&s, t, packing, e);
	if (rc == 0)
		rc = copy(fd, m, s.compressor, e);
	close(fd);
	rc = store_end(&s, t, m, rc, e);
	if (rc == 0 && !digest_equal(&raw, &m->packed.raw))
		rc = error_set(e, STATUS_FAILED, "%s changed while it was read", m->path);
	return rc;
}

int member_check_layer(const struct member *m, size_t number, const char *name,
		       const struct digest *diff_id, struct error *e)
{
	const struct digest *real = &m->packed.diff_id;
	if (digest_is_set(real) && digest_equal(diff_id, real))
		return 0;
	return error_set(e, STATUS_DATA, "layer %zu, %.160s: its content %s%s, the config says %.80s",
			 number, name,
			 digest_is_set(real) ? "has the digest " : "can't be decompressed",
			 real->text, digest_is_set(diff_id) ? diff_id->text : "nothing");
}

int member_read(struct members *t, const struct member *m, struct buffer *out, struct error *e)
{
	int rc = *m->temporary
			 ? file_read(t->layout->work.fd, m->temporary, out, e)
			 : file_read(t->layout->blobs_fd, digest_hex(&m->packed.blob), out, e);
	return rc ? error_prefix(e, m->path) : 0;
}

int member_commit(struct members *t, struct member *m, struct error *e)
{
	if (!*m->temporary)
		return 0;
	if (layout_commit(t->layout, m->temporary, &m->packed.blob, m->packed.blob_size, e))
		return -1;
	m->temporary[0] = '\0';
	return 0;
}
