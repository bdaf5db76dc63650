/* SPDX-License-Identifier: Apache-2.0 */
/* space: whether a disk has room, before it is found out after. */
#ifndef SPACE_H
#define SPACE_H

#include "error.h"

#include <stdint.h>

/* For space_check() and space_advise(): most who meet it have started cog-push. */
#define SPACE_ADVICE "set TMPDIR or --layout to a larger disk"

/* The bytes of the files in DIR_FD. */
int64_t space_used(int dir_fd);

/* Whether BYTES more have room where DIR_FD is. PATH and ADVICE, what to do about it, are for the message.
 * Returns 0, also where a file system does not say; -1 with STATUS_FAILED. */
int space_check(int dir_fd, const char *path, int64_t bytes, const char *advice, struct error *e);

/* Adds ADVICE to E if it says that a disk, or what a user may have of it, is full. */
void space_advise(struct error *e, const char *advice);

#endif
