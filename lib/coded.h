/* SPDX-License-Identifier: Apache-2.0 */
/* coded: what gzip and zstandard tell of a blob that they have made. */
#ifndef CODED_H
#define CODED_H

#include "digest.h"

#include <stdint.h>

struct coded {
	struct digest raw, blob; /* of the bytes given, of the bytes written */
	int64_t raw_size, blob_size;
};

#endif
