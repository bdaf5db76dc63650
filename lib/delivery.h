/* SPDX-License-Identifier: Apache-2.0 */
/* delivery: gets one manifest into the registry under a name: tries again, waits for blobs that do
 * not show yet, uploads those that are missing, keeps the index of referrers. */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "digest.h"
#include "error.h"
#include "manifests.h"
#include "registry.h"
#include "transfer.h"

#include <stdint.h>

struct delivery {
	struct registry *registry;
	const struct transfer_options *options;
	/* Opens a blob that a manifest names: the descriptor, which the caller closes, and its
	 * size; -1 when it can't. */
	int (*open)(void *context, const struct digest *d, int64_t *size, struct error *e);
	void *context;
};

/* Sees to it that NAME, a tag or a digest, is the manifest M. One that this machine has put there before
 * is asked for first, and not put again, but for a manifest with a subject, whose answer tells who keeps
 * the index of referrers. Blocks, and writes `retry` records on stdout, and those of transfer.h for what
 * it uploads. The statuses of registry.h and transfer.h. */
int delivery_put(const struct delivery *d, const char *name, const struct manifest_bytes *m,
		 struct error *e);

/* Asks, with retries, whether NAME is the manifest D of that media type. Returns 1, 0 when it is not or
 * the registry does not tell (its answer is in it), or -1. */
int delivery_ask(const struct delivery *d, const char *name, const char *media_type,
		 const struct digest *digest, struct error *e);

#endif
