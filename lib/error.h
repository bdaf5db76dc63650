/* SPDX-License-Identifier: Apache-2.0 */
/* error: a status and a line about what failed. The library fills one in; only a main prints it. */
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of every program; man pages, section EXIT STATUS. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_DATA = 65,      /* the input is bad */
	STATUS_TEMPORARY = 75, /* the same call may succeed later */
	STATUS_DENIED = 77,    /* credentials missing or refused */
	STATUS_INTERRUPTED = 130,
};

#define ERROR_TEXT_SIZE 512

/* Owned by the caller, no heap. Zero it before use: status 0 means "nothing failed". */
struct error {
	enum status status;
	char text[ERROR_TEXT_SIZE];
};

/* Fills in E and returns -1. The text is cut to fit, and control and bidi characters in it are
 * replaced, so arguments may come from a server, a tar or a file name. */
int error_set(struct error *e, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like error_set() with ": " and the text of errno appended. STATUS_FAILED. */
int error_errno(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "WHERE: " before the text of E. Returns -1. */
int error_prefix(struct error *e, const char *where);

/* Replaces in place what a terminal must not get: control and bidi characters, bytes that are not
 * UTF-8. The text never becomes longer. */
void error_clean(char *text);

/* Whether error_clean() would leave TEXT as it is. */
bool error_is_clean(const char *text);

#endif
