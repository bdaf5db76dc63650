/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include "program.h"

#include <stdio.h>

enum { BLOCK = 256 * 1024 };

void verify_init(struct verify *v, const struct digest *digest, const struct source *source)
{
	*v = (struct verify){.digest = digest, .source = source, .hasher = hasher_new()};
}

void verify_release(struct verify *v)
{
	if (v->has_thread) {
		atomic_store(&v->is_stopped, true);
		pthread_join(v->thread, NULL);
	}
	hasher_free(v->hasher);
	*v = (struct verify){0};
}

static int fail(const struct verify *v, struct error *e)
{
	char where[DIGEST_TEXT_LEN + 8];
	snprintf(where, sizeof where, "blob %s", v->digest->text);
	return error_prefix(e, where);
}

int64_t verify_read(const struct verify *v, int64_t offset, void *data, size_t len, struct error *e)
{
	int64_t n = source_read(v->source, offset, data, len, e);
	if (n < 0)
		return fail(v, e);
	if (n == 0)
		return error_set(e, STATUS_DATA, "blob %s: became shorter while it was sent",
				 v->digest->text);
	return n;
}

/* Hashes the blob from `hashed` to its end. */
static int hash_rest(struct verify *v, struct error *e)
{
	char block[BLOCK];
	while (v->hashed < v->source->size) {
		int64_t n = verify_read(v, v->hashed, block, sizeof block, e);
		if (program_is_interrupted() || atomic_load(&v->is_stopped))
			return program_interrupted(e);
		if (n < 0)
			return -1;
		hasher_update(v->hasher, block, (size_t)n);
		v->hashed += n;
	}
	return 0;
}

static void *hash_beside(void *context)
{
	struct verify *v = context;
	(void)hash_rest(v, &v->failure);
	return NULL;
}

void verify_pass(struct verify *v, int64_t offset, const void *data, size_t len)
{
	int64_t end = offset + (int64_t)len;
	if (v->has_thread || v->is_right)
		return;
	if (offset > v->hashed) {
		/* Without a thread verify_end() does it all. */
		v->has_thread = pthread_create(&v->thread, NULL, hash_beside, v) == 0;
		return;
	}
	if (end <= v->hashed)
		return;
	hasher_update(v->hasher, (const char *)data + (v->hashed - offset),
		      (size_t)(end - v->hashed));
	v->hashed = end;
}

/* Whether the digest is right, when all bytes were hashed: is_right. */
static int compare(struct verify *v, struct error *e)
{
	struct digest d;
	if (v->has_thread) {
		pthread_join(v->thread, NULL);
		v->has_thread = false;
		if (v->failure.status) {
			*e = v->failure;
			return -1;
		}
	}
	if (hash_rest(v, e))
		return -1;
	hasher_final(v->hasher, &d);
	v->is_right = digest_equal(&d, v->digest);
	v->hashed = 0;
	return 0;
}

int verify_end(struct verify *v, struct error *e)
{
	if (!v->is_right && compare(v, e))
		return -1;
	/* Also when the digest is right: what was sent was read at another time than what was hashed. */
	if (source_check(v->source, e))
		return fail(v, e);
	if (v->is_right)
		return 0;
	return error_set(e, STATUS_DATA, "blob %s: its bytes are not its digest", v->digest->text);
}
