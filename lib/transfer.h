/* SPDX-License-Identifier: Apache-2.0 */
/* transfer: gets one blob into the registry: does what upload says, keeps the journal and what was
 * learnt about the host, writes the records. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "digest.h"
#include "error.h"
#include "plan.h"
#include "registry.h"
#include "retry.h"
#include "source.h"

#include <stdbool.h>
#include <stdint.h>

/* For all blobs of a program. */
struct transfer_options {
	struct plan_limits limits;
	struct retry_policy retry;
	const char *mount_from; /* "a/b", of the same registry; NULL: the user named none */
	bool is_trusted;	/* a file's bytes are what was hashed just now: they aren't again */
};

/* Those of the environment. STATUS_USAGE. */
int transfer_options_init(struct transfer_options *o, struct error *e);

struct transfer_blob {
	const struct digest *digest;
	const struct source *source; /* borrowed */
};

/* Puts a blob into the registry, with `progress` and `retry` records on stdout and a `done` record
 * at the end; nothing but that record when the blob is there already. Blocks, and waits while
 * another process uploads the same blob to the same repository. A signal or a failure leaves the
 * session in the journal, and the next call for this blob goes on from there, whatever the process.
 * Statuses: those of registry.h; STATUS_DATA for a blob of 0 bytes, one whose bytes are not its
 * digest (unless they are trusted), that became shorter, or that is by reference to a file which is not
 * what it was: it is never committed. */
int transfer_blob(struct registry *r, const struct transfer_options *o,
		  const struct transfer_blob *blob, struct error *e);

/* Asks whether the registry has D, with retries. Returns 1, 0, or -1 as transfer_blob(). */
int transfer_ask(struct registry *r, const struct transfer_options *o, const struct digest *d,
		 struct error *e);

/* A blob whose bytes are not here: asks whether the registry has it, and for a mount from where it may
 * be. Returns 1 after its `done` record, 0 when the registry lacks it, -1 as transfer_blob(). */
int transfer_absent(struct registry *r, const struct transfer_options *o, const struct digest *d,
		    struct error *e);

#endif
