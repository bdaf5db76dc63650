/* SPDX-License-Identifier: Apache-2.0 */
/* known: the layers that need not be made, because their blobs are known to be somewhere, in a registry
 * most likely. They come from a file of lines "DIFFID DIGEST SIZE", with a fourth word "SAVEDID" where it is
 * known (savedid.h). Every function takes NULL for a table of none. */
#ifndef KNOWN_H
#define KNOWN_H

#include "digest.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>

struct known_layer {
	struct digest diff_id, blob; /* the same for a layer that is not compressed */
	int64_t size;		     /* bytes of the blob */
	struct digest saved_id;	     /* as of savedid_of(); "" where it is not known */
};

struct known;

/* Reads the file PATH. NULL: STATUS_DATA for a line that is none, STATUS_FAILED for a file that can't
 * be read. The caller frees the table with known_free(). */
struct known *known_read(const char *path, struct error *e);
void known_free(struct known *k);

/* The compressed (IS_PACKED) or plain blob of the layer DIFF_ID or SAVED_ID, or the layer whose blob is
 * BLOB; the first in the file of several. NULL when there is none. Borrowed. */
const struct known_layer *known_by_diff_id(const struct known *k, const struct digest *diff_id,
					   bool is_packed);
const struct known_layer *known_by_saved_id(const struct known *k, const struct digest *saved_id,
					    bool is_packed);
const struct known_layer *known_by_blob(const struct known *k, const struct digest *blob);

#endif
