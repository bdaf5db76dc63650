/* SPDX-License-Identifier: Apache-2.0 */
/* journal: the upload sessions that are open, on disk, so that a new process goes on where a killed
 * one was. One file for each blob and repository, in uploads/ of the state directory; beside it a
 * lock, which lets one process at a time upload that blob there.
 *
 * Where the state directory can't be used nothing is kept and nothing locked: a process warns of
 * that once, and the upload goes on. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "digest.h"
#include "error.h"
#include "location.h"
#include "plan.h"
#include "reference.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_AGE_S                                                                              \
	(7 * 24 * 3600) /* older entries count as none: registries purge sessions too */

/* A session, as it was after the last answer. */
struct journal_entry {
	char location[LOCATION_SIZE];
	int64_t offset; /* bytes that the registry has accepted */
	int64_t announced_min, announced_max;
	struct plan plan; /* as the bodies before were cut: some registries want equal ones */
};

struct journal {
	struct reference blob; /* registry, repository and digest */
	char name[DIGEST_HEX_LEN + 1];
	int dir_fd;  /* -1: nothing is kept, and nothing locked */
	int lock_fd; /* -1: not locked */
};

/* Takes the lock on the upload of D to REPOSITORY. Returns 0 when it is held (or nothing can be
 * kept), 1 when another process holds it. Call journal_close() in any case. */
int journal_open(struct journal *j, const struct reference *repository, const struct digest *d);

/* Waits for the other process. 0 when the lock is held (or nothing can be kept), -1 with
 * STATUS_INTERRUPTED. */
int journal_wait(struct journal *j, struct error *e);

/* Reads the entry. Returns whether there is one that is fit for use and not too old. False without
 * the lock. */
bool journal_read(const struct journal *j, struct journal_entry *entry);

/* Replaces the entry; a process that is killed meanwhile leaves the old one or the new one. */
void journal_write(const struct journal *j, const struct journal_entry *entry);

/* Removes the entry: the blob is there, or the session is lost. */
void journal_remove(const struct journal *j);

/* Gives the lock back, and removes its file. */
void journal_close(struct journal *j);

/* Calls VISIT for every entry of REPOSITORY, however old, that no process is uploading (of others
 * it warns), and removes the entry after it. Returns the number of entries, or -1: VISIT has, or
 * there is no state directory to look into. */
typedef int journal_visitor(const struct journal_entry *entry, const struct digest *digest,
			    void *context, struct error *e);
int journal_forget(const struct reference *repository, journal_visitor *visit, void *context,
		   struct error *e);

/* Removes entries older than JOURNAL_AGE_S, locks that nobody holds and what killed processes have
 * left half-written. Fails silently. */
void journal_sweep(void);

#endif
