/* SPDX-License-Identifier: Apache-2.0 */
/* weights: the whole way of a folder of weight files into a layout. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "compress.h"
#include "error.h"
#include "parcel.h"

#include <stdbool.h>

struct weights_job {
	const char *dir;    /* of the layout; borrowed, as all of these */
	const char *source; /* the folder */
	const char *name, *target;
	const char *hashes; /* a file that hashes_write() wrote, or NULL */
	struct parcel_limits limits;
	struct compression compression; /* its threads are those of the whole */
	bool is_by_reference; /* a layer of one file that stays plain is not stored; see recipe.h */
};

/* Makes the weight and writes the records. STATUS_DATA for what the format forbids; index.json is then as it
 * was. The layout is made, or opened, when the folder has been looked through, and is not inside it. */
int weights_pack(const struct weights_job *job, struct error *e);

#endif
