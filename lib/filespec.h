/* SPDX-License-Identifier: Apache-2.0 */
/* filespec: a file for an artifact, as a user writes it: FILE[:MEDIATYPE], by the rules of oras. */
#ifndef FILESPEC_H
#define FILESPEC_H

#include "descriptor.h"
#include "error.h"

#define FILESPEC_PATH_SIZE 4096

struct filespec {
	char path[FILESPEC_PATH_SIZE];
	char media_type[MEDIA_TYPE_SIZE];
};

/* What follows the last colon is the media type, DEFAULT_TYPE where that is nothing; so "a:b:" is the
 * file "a:b". STATUS_USAGE: no file name, one that is too long, no media type. */
int filespec_parse(struct filespec *f, const char *text, const char *default_type, struct error *e);

/* The name that the file has in an artifact: its path without "./" and doubled slashes. STATUS_USAGE
 * where whoever unpacks it could not use that: an absolute path, "..", control or bidi characters,
 * no UTF-8. */
int filespec_title(const struct filespec *f, char title[FILESPEC_PATH_SIZE], struct error *e);

#endif
