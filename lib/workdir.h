/* SPDX-License-Identifier: Apache-2.0 */
/* workdir: private directories of a running process, locked while in use, so that whoever comes
 * next can sweep what a killed process left. */
#ifndef WORKDIR_H
#define WORKDIR_H

#include "error.h"

#define WORKDIR_NAME_SIZE 64

struct workdir {
	int parent_fd; /* borrowed */
	int fd;	       /* the directory */
	int lock_fd;
	char name[WORKDIR_NAME_SIZE]; /* inside the parent */
};

/* Makes and locks <PREFIX><random> (mode 0700) in the directory PARENT_FD, which must stay open.
 * Sweeps the unlocked ones of the same prefix and owner first. */
int workdir_init(struct workdir *w, int parent_fd, const char *prefix, struct error *e);

/* Removes the directory with all that is in it. Accepts a zeroed W with fd -1. */
void workdir_release(struct workdir *w);

/* Removes NAME in the directory PARENT_FD, a file or a tree, without following symlinks; what can't
 * be removed stays. */
void workdir_remove(int parent_fd, const char *name);

#endif
