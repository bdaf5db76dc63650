/* SPDX-License-Identifier: Apache-2.0 */
/* verify: whether the bytes of a blob are its digest. They are hashed on their way to the registry;
 * a thread of its own reads and hashes the file where they do not all pass, after a resume. */
#ifndef VERIFY_H
#define VERIFY_H

#include "digest.h"
#include "error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify {
	const struct digest *digest; /* borrowed, as is FD */
	int fd;
	int64_t size;
	struct hasher *hasher;
	int64_t hashed; /* bytes from the start of the blob */
	bool is_right;	/* it was compared */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopped;
	struct error failure; /* of the thread */
};

void verify_init(struct verify *v, const struct digest *digest, int fd, int64_t size);
/* Accepts a zeroed V. */
void verify_release(struct verify *v);

/* DATA are the LEN bytes at OFFSET. Those that come in order are hashed, each once; after a gap the
 * thread starts with what is missing. */
void verify_pass(struct verify *v, int64_t offset, const void *data, size_t len);

/* Hashes what is left, or waits until the thread has. 0 when the blob is its digest; -1 with
 * STATUS_DATA when it is not or became shorter, STATUS_INTERRUPTED, or STATUS_FAILED when it can't
 * be read. May be called again. */
int verify_end(struct verify *v, struct error *e);

#endif
