/* SPDX-License-Identifier: Apache-2.0 */
/* pin: a file below a folder, which is reached over no symlink and has to stay what it was. */
#ifndef PIN_H
#define PIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define PIN_PATH_MAX 4000 /* bytes of a path below the folder */

/* What tells a file from another one, and from itself after a change. */
struct pin {
	int64_t device, inode;
	int64_t size; /* bytes */
	int64_t modified_s, modified_ns;
	int64_t changed_s, changed_ns; /* of the inode: no program can set this time */
};

void pin_take(struct pin *p, const struct stat *st);

/* What a regular file did since: "grew", "shrank" or "changed". NULL while it is the same. */
const char *pin_compare(const struct pin *p, const struct stat *st);

/* Whether PATH stays below the folder that it starts from: relative, with no part that is empty, "." or
 * "..", and not too long. */
bool pin_is_path(const char *path);

/* Opens the file PATH below DIR_FD for reading, part by part, so that no part of it is a symlink. Returns
 * the descriptor, or -1 with errno; EINVAL where pin_is_path() says no. */
int pin_open(int dir_fd, const char *path);

#endif
