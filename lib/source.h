/* SPDX-License-Identifier: Apache-2.0 */
/* source: the bytes of a blob, by offset. They are a file; or they are by reference: a head, a range of a
 * file that belongs to somebody else and has to stay what it was, and zeros. */
#ifndef SOURCE_H
#define SOURCE_H

#include "error.h"
#include "pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
	int fd; /* owned */
	int64_t size; /* bytes of the blob */
	bool is_reference; /* what follows is set only then */
	char *head; /* owned; HEAD_LEN bytes */
	size_t head_len;
	char *path; /* of the file below the folder; owned */
	int64_t offset, length; /* the range of the file, in bytes */
	struct pin pin; /* of the file */
};

/* A file of SIZE bytes. Takes over FD, which may be -1. */
void source_file(struct source *s, int fd, int64_t size);

/* Opens the file of S, which is by reference, below ROOT_FD, and checks it. STATUS_DATA when it is not what it
 * was, or is reached over a symlink. */
int source_open(struct source *s, int root_fd, struct error *e);

/* Accepts one that failed to open, or was released. */
void source_release(struct source *s);

/* Reads LEN bytes at OFFSET. Returns how many, fewer only at the end of the blob and where a file became
 * shorter, or -1. Threads may read at once. */
int64_t source_read(const struct source *s, int64_t offset, void *data, size_t len, struct error *e);

/* Whether a file that is by reference still is what it was; STATUS_DATA. */
int source_check(const struct source *s, struct error *e);

#endif
