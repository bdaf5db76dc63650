/* SPDX-License-Identifier: Apache-2.0 */
/* verify: whether the bytes of a blob are its digest. They are hashed on their way to the registry;
 * a thread of its own reads and hashes them where they do not all pass, after a resume. */
#ifndef VERIFY_H
#define VERIFY_H

#include "digest.h"
#include "error.h"
#include "source.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify {
	const struct digest *digest; /* borrowed, as is SOURCE */
	const struct source *source;
	struct hasher *hasher;
	int64_t hashed; /* bytes from the start of the blob */
	bool is_right;	/* it was compared */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopped;
	struct error failure; /* of the thread */
};

void verify_init(struct verify *v, const struct digest *digest, const struct source *source);
/* Accepts a zeroed V. */
void verify_release(struct verify *v);

/* Reads up to LEN bytes of the blob at OFFSET, which is before its end. Returns how many, or -1:
 * STATUS_DATA when it became shorter, STATUS_FAILED when it can't be read. */
int64_t verify_read(const struct verify *v, int64_t offset, void *data, size_t len, struct error *e);

/* DATA are the LEN bytes at OFFSET. Those that come in order are hashed, each once; after a gap the
 * thread starts with what is missing. */
void verify_pass(struct verify *v, int64_t offset, const void *data, size_t len);

/* Hashes what is left, or waits until the thread has. 0 when the blob is its digest, and a file that is
 * not ours is what it was; -1 with STATUS_DATA when not, or as verify_read(), or STATUS_INTERRUPTED. May be
 * called again. */
int verify_end(struct verify *v, struct error *e);

#endif
