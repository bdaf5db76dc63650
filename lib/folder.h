/* SPDX-License-Identifier: Apache-2.0 */
/* folder: the files of a folder that is to become a weight artifact. What the format forbids is refused by
 * its path, and a file is pinned: it is the same when it is read again, or that is an error. Nothing below
 * the folder is reached over a symlink. */
#ifndef FOLDER_H
#define FOLDER_H

#include "digest.h"
#include "error.h"
#include "pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct folder_file {
	char *path;    /* relative to the folder */
	int64_t size;  /* bytes */
	struct pin pin; /* what it was when it was found */
	struct digest digest; /* empty while it is not known */
};

struct folder {
	int fd;
	const char *path; /* borrowed, for messages */
	struct folder_file *files; /* sorted by path */
	size_t count, capacity;
	int64_t bytes; /* of all files */
};

/* Why nothing may have the name NAME in a weight, or NULL. */
const char *folder_refuse(const char *name);

/* Finds all files. OWN, a directory of ours (the layout, or where it is to be made), may not be
 * among them; -1 for none. The caller
 * releases F in any case. STATUS_DATA for what is refused. */
int folder_open(struct folder *f, const char *path, int own, struct error *e);
void folder_release(struct folder *f);

/* Computes the digests that are not known yet, of THREADS files at a time. If IS_TOLD, records say how far it
 * is, four a second for each. STATUS_DATA when a file changes meanwhile. */
int folder_hash(struct folder *f, int threads, bool is_told, struct error *e);

/* Takes the next bytes of a file. Returns 0, or -1 with an error. */
typedef int folder_reader(void *context, const void *data, size_t len, struct error *e);

/* Reads a file from beginning to end: just the bytes that it had when it was found, else STATUS_DATA. */
int folder_read(const struct folder *f, const struct folder_file *file, folder_reader *read_bytes,
		void *context, struct error *e);

/* Reads up to LEN bytes at OFFSET. Returns how many, or -1. */
int64_t folder_look(const struct folder *f, const struct folder_file *file, int64_t offset, void *data,
		    size_t len, struct error *e);

#endif
