/* SPDX-License-Identifier: Apache-2.0 */
/* weightcheck: whether a weight in a layout and a folder are the same, byte by byte. */
#ifndef WEIGHTCHECK_H
#define WEIGHTCHECK_H

#include "error.h"
#include "layout.h"

/* NAME is the name of a weight (of several with that name the last in index.json is meant), its tag or its
 * digest. All of the folder SOURCE and of the layers is read, on THREADS threads. Returns 0, or -1:
 * STATUS_DATA with the first difference, STATUS_FAILED when there is no such weight. */
int weightcheck(const struct layout *l, const char *name, const char *source, int threads,
		struct error *e);

#endif
