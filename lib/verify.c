/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include "program.h"

#include <errno.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

void verify_init(struct verify *v, const struct digest *digest, int fd, int64_t size)
{
	*v = (struct verify){.digest = digest, .fd = fd, .size = size, .hasher = hasher_new()};
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

/* Hashes the file from `hashed` to its end. */
static int hash_rest(struct verify *v, struct error *e)
{
	char block[BLOCK];
	while (v->hashed < v->size) {
		ssize_t n = pread(v->fd, block, sizeof block, (off_t)v->hashed);
		if (program_is_interrupted() || atomic_load(&v->is_stopped))
			return program_interrupted(e);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(e, "blob %s", v->digest->text);
		if (n == 0)
			return error_set(e, STATUS_DATA,
					 "blob %s: became shorter while it was sent",
					 v->digest->text);
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

int verify_end(struct verify *v, struct error *e)
{
	struct digest d;
	if (v->is_right)
		return 0;
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
	if (v->is_right)
		return 0;
	v->hashed = 0;
	return error_set(e, STATUS_DATA, "blob %s: its bytes are not its digest", v->digest->text);
}
