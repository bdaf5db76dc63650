/* SPDX-License-Identifier: Apache-2.0 */
/* hashes: the digests of a folder's files, kept in a file for the next program of the same user, so that it
 * need not read them again. */
#ifndef HASHES_H
#define HASHES_H

#include "error.h"
#include "folder.h"

/* Replaces PATH, with mode 0600. The digests of F are all known. */
int hashes_write(const char *path, const struct folder *f, struct error *e);

/* Sets the digest of each file of F that is still what it was when PATH was written, by its pin; the others
 * keep theirs. STATUS_DATA when others than the user can have written PATH, or it is not such a file. */
int hashes_read(const char *path, struct folder *f, struct error *e);

#endif
