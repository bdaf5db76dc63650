/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of one list: sorted by diffId, and by digest. */
#include "known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	struct known_layer layer;
	size_t order; /* in the file */
};

struct known {
	struct row *by_diff_id, *by_blob;
	size_t count, capacity;
};

void known_free(struct known *k)
{
	if (!k)
		return;
	free(k->by_diff_id);
	free(k->by_blob);
	free(k);
}

static int compare_order(const struct row *a, const struct row *b)
{
	return a->order < b->order ? -1 : 1;
}

static int compare_diff_ids(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->layer.diff_id.text, y->layer.diff_id.text);
	return order ? order : compare_order(x, y);
}

static int compare_blobs(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->layer.blob.text, y->layer.blob.text);
	return order ? order : compare_order(x, y);
}

/* "DIFFID DIGEST SIZE [SAVEDID]": two digests, a number, perhaps a digest. */
static int parse(struct known_layer *layer, char *line)
{
	enum { SIZE_DIGITS_MAX = 18 };
	char *digest = line + DIGEST_TEXT_LEN, *size = digest + 1 + DIGEST_TEXT_LEN;
	*layer = (struct known_layer){0};
	line[strcspn(line, "\n")] = '\0';
	if (strlen(line) < 2 * (DIGEST_TEXT_LEN + 1) || *digest != ' ' || *size != ' ')
		return -1;
	*digest++ = *size++ = '\0';
	size_t digits = strspn(size, "0123456789");
	if (digits == 0 || digits > SIZE_DIGITS_MAX)
		return -1;
	if (size[digits] && (size[digits] != ' ' || digest_parse(&layer->saved_id, size + digits + 1)))
		return -1;
	layer->size = strtoll(size, NULL, 10);
	return digest_parse(&layer->diff_id, line) || digest_parse(&layer->blob, digest) ? -1 : 0;
}

static int add(struct known *k, const struct known_layer *layer, struct error *e)
{
	if (k->count == k->capacity) {
		size_t capacity = k->capacity ? 2 * k->capacity : 64;
		struct row *rows = realloc(k->by_diff_id, capacity * sizeof *rows);
		if (!rows)
			return error_errno(e, "memory");
		k->by_diff_id = rows;
		k->capacity = capacity;
	}
	k->by_diff_id[k->count] = (struct row){.layer = *layer, .order = k->count};
	k->count++;
	return 0;
}

static int read_lines(struct known *k, FILE *file, const char *path, struct error *e)
{
	char *line = NULL;
	size_t size = 0;
	struct known_layer layer;
	int rc = 0;
	errno = 0;
	while (rc == 0 && getline(&line, &size, file) >= 0)
		rc = parse(&layer, line)
			     ? error_set(e, STATUS_DATA, "%s: line %zu is not DIFFID DIGEST SIZE [SAVEDID]", path,
					 k->count + 1)
			     : add(k, &layer, e);
	if (rc == 0 && ferror(file))
		rc = error_errno(e, "%s", path);
	free(line);
	return rc;
}

static int sort(struct known *k, struct error *e)
{
	size_t bytes = k->count * sizeof *k->by_blob;
	if (!bytes)
		return 0;
	k->by_blob = malloc(bytes);
	if (!k->by_blob)
		return error_errno(e, "memory");
	memcpy(k->by_blob, k->by_diff_id, bytes);
	qsort(k->by_diff_id, k->count, sizeof *k->by_diff_id, compare_diff_ids);
	qsort(k->by_blob, k->count, sizeof *k->by_blob, compare_blobs);
	return 0;
}

struct known *known_read(const char *path, struct error *e)
{
	FILE *file = fopen(path, "re");
	struct known *k = calloc(1, sizeof *k);
	int rc = file && k ? read_lines(k, file, path, e) : error_errno(e, "%s", path);
	if (rc == 0)
		rc = sort(k, e);
	if (file)
		fclose(file);
	if (rc) {
		known_free(k);
		return NULL;
	}
	return k;
}

/* How many of COUNT rows, sorted by COMPARE, come before all that have WANTED's digest. */
static size_t rows_before(const struct row *rows, size_t count, const struct known_layer *wanted,
			  int (*compare)(const void *, const void *))
{
	const struct row key = {.layer = *wanted};
	size_t low = 0, high = count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&rows[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct known_layer *known_by_diff_id(const struct known *k, const struct digest *diff_id,
					   bool is_packed)
{
	struct known_layer wanted = {.diff_id = *diff_id};
	size_t i = k ? rows_before(k->by_diff_id, k->count, &wanted, compare_diff_ids) : 0;
	for (; k && i < k->count && digest_equal(&k->by_diff_id[i].layer.diff_id, diff_id); i++) {
		const struct known_layer *layer = &k->by_diff_id[i].layer;
		if (digest_equal(&layer->blob, diff_id) != is_packed)
			return layer;
	}
	return NULL;
}

/* Few are asked for, of few: it is not worth a table. */
const struct known_layer *known_by_saved_id(const struct known *k, const struct digest *saved_id,
					    bool is_packed)
{
	for (size_t i = 0; k && i < k->count; i++)
		if (digest_equal(&k->by_blob[i].layer.saved_id, saved_id))
			return known_by_diff_id(k, &k->by_blob[i].layer.diff_id, is_packed);
	return NULL;
}

const struct known_layer *known_by_blob(const struct known *k, const struct digest *blob)
{
	struct known_layer wanted = {.blob = *blob};
	size_t i = k ? rows_before(k->by_blob, k->count, &wanted, compare_blobs) : 0;
	bool is_found = k && i < k->count && digest_equal(&k->by_blob[i].layer.blob, blob);
	return is_found ? &k->by_blob[i].layer : NULL;
}
