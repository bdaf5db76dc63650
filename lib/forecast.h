/* SPDX-License-Identifier: Apache-2.0 */
/* forecast: what a push would do, found out with HEAD alone (and GET for a token). It writes `plan`
 * records, sends no blob and no manifest, and opens no upload session.
 *
 * It knows less than the push: what a registry announces with a session, and whether it takes a
 * mount from a repository that has the blob. */
#ifndef FORECAST_H
#define FORECAST_H

#include "delivery.h"
#include "digest.h"
#include "error.h"
#include "manifests.h"
#include "registry.h"
#include "transfer.h"
#include "trust.h"

#include <stdint.h>

/* Zeroed but for what is borrowed. */
struct forecast {
	struct registry *registry;
	const struct transfer_options *options;
	const struct trust_options *trust;
	struct registry other; /* the repository where a blob was looked for last */
};

/* Writes the record of a blob of SIZE bytes; of one whose bytes are not here (-1) only if the
 * registry has it, or could mount it. Returns 1, 0 for what the registry lacks and would get from
 * nowhere, or -1 as transfer_blob(); STATUS_DENIED where it is not to be asked. */
int forecast_blob(struct forecast *f, const struct digest *d, int64_t size, struct error *e);

/* Writes the record of the manifest M as NAME, whose full reference is REF. The statuses of
 * registry.h. */
int forecast_manifest(const struct delivery *d, const char *name, const struct manifest_bytes *m,
		      const char *ref, struct error *e);

void forecast_release(struct forecast *f);

#endif
