/* SPDX-License-Identifier: Apache-2.0 */
/* state: the private directories that outlive a run. Both are made when missing (0700) and must be
 * ours. What is kept in them makes a push faster or lets it go on; its loss costs time, never
 * correctness, so callers warn and go on without. */
#ifndef STATE_H
#define STATE_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

/* $COG_STATE_DIR, else $XDG_STATE_HOME/cog-push, else ~/.local/state/cog-push. */
#define STATE_DIR_ENV "COG_STATE_DIR"

/* Opens SUB of the state directory, or of the cache ($XDG_CACHE_HOME/cog-push, else
 * ~/.cache/cog-push). Returns a descriptor (close-on-exec), or -1 with the path in the text. */
int state_open(const char *sub, struct error *e);
int state_open_cache(const char *sub, struct error *e);

/* Takes the exclusive lock on the file NAME (made when absent, 0600; its holder may remove it) in
 * DIR_FD, and sets *LOCK_FD, whose closing gives it back. Where another process holds it, asks
 * again until WAIT_MS have passed (-1: for ever) or a signal comes. Returns 0, 1 when the other
 * still holds it, or -1. */
int state_lock(int dir_fd, const char *name, int64_t wait_ms, int *lock_fd, struct error *e);

/* OUT becomes HOST ("host[:port]") as the name of a file, with SUFFIX. Cut to fit. */
void state_host_file(const char *host, const char *suffix, char *out, size_t size);

#endif
