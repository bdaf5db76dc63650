/* SPDX-License-Identifier: Apache-2.0 */
/* file: whole files, read with a cap and replaced atomically; locks. A NAME is relative to DIRFD,
 * which may be AT_FDCWD. */
#ifndef FILE_H
#define FILE_H

#include "buffer.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

/* Opens a regular file for reading; anything else (a symlink, a FIFO, a device) is refused.
 * SIZE may be NULL. Returns the descriptor (close-on-exec), or -1 with errno in the text;
 * errno is ENOENT when the file is not there. */
int file_open(int dirfd, const char *name, int64_t *size, struct error *e);

/* Appends the whole file to OUT. STATUS_DATA when it is larger than OUT may become. */
int file_read(int dirfd, const char *name, struct buffer *out, struct error *e);

/* Writes all bytes or fails; goes on after a short write or a signal. NAME is for the message. */
int file_write(int fd, const char *name, const void *data, size_t len, struct error *e);

/* Replaces NAME by a temporary file beside it, fsync and rename: readers see the old file or the
 * new one, whole. */
int file_replace(int dirfd, const char *name, const void *data, size_t len, struct error *e);

/* The same with mode 0600, for secrets. */
int file_replace_private(int dirfd, const char *name, const void *data, size_t len,
			 struct error *e);

/* Takes the exclusive lock on NAME (made when absent), waiting for it. Closing the returned
 * descriptor gives it back. Never removes the file. STATUS_INTERRUPTED when a signal comes meanwhile. */
int file_lock(int dirfd, const char *name, struct error *e);

#endif
