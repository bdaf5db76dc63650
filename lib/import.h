/* SPDX-License-Identifier: Apache-2.0 */
/* import: a saved image's tar into a layout.
 *
 * On a pipe there is one pass: every file is stored while it is read, plain tars compressed, because
 * what it is for is known only at the end, when manifest.json or index.json has been seen. Layers
 * are announced at once, unless an image was selected. A file that can seek is looked at first: the
 * headers and the JSON; then just what the images need is read.
 *
 * Layers that are known elsewhere are not stored: of a file not even read, of a pipe hashed, where the
 * name of the member tells in time which they are. */
#ifndef IMPORT_H
#define IMPORT_H

#include "compress.h"
#include "error.h"
#include "known.h"
#include "layout.h"

#include <stdbool.h>

struct import {
	int fd;			/* the tar; borrowed */
	struct layout *layout;	/* made by layout_create(); borrowed */
	const char *selector;	/* NAME or DIGEST, NULL for all images */
	struct compression compression;
	const struct known *known; /* blobs that the layout may lack; NULL for none; borrowed */
	bool is_sparse_allowed; /* keep an index some of whose manifests are absent */
	bool has_layers;	/* import_list(): also a record for each layer */
};

/* Returns 0, or -1: STATUS_DATA for what is wrong with the tar, STATUS_FAILED for the disk, stdout
 * and an image that is not there, STATUS_INTERRUPTED. index.json is untouched then. */
int import_run(const struct import *i, struct error *e);

/* Only looks, also where that means to read through, and writes a `source` record for each image, and
 * `layer` records. Of the layout the temporary files are used: layout_scratch(). Returns and errors as above. */
int import_list(const struct import *i, struct error *e);

#endif
