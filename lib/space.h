/* SPDX-License-Identifier: Apache-2.0 */
/* space: whether a disk has room, before it is found out after. */
#ifndef SPACE_H
#define SPACE_H

#include "error.h"

#include <stdint.h>

/* Whether the files in DIR_FD may grow to BYTES together. PATH is for the message. Returns 0, also
 * where a file system does not say; -1 with STATUS_FAILED. */
int space_check(int dir_fd, const char *path, int64_t bytes, struct error *e);

#endif
