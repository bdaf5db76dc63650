/* SPDX-License-Identifier: Apache-2.0 */
/* parcel: which files of a folder go into which layer of a weight, and what the tar of a layer is made of,
 * piece by piece, before a byte of it is written. */
#ifndef PARCEL_H
#define PARCEL_H

#include "error.h"
#include "folder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARCEL_FILE_MAX (INT64_C(64) << 20)
#define PARCEL_SIZE_MAX (INT64_C(256) << 20)

struct parcel_limits {
	int64_t file_max; /* files of fewer bytes share a layer */
	int64_t size_max; /* the most bytes of files in a layer that is shared */
};

/* A layer to be. */
struct parcel {
	const struct folder_file **files; /* borrowed, in their order in the tar */
	size_t count;
	int64_t file_bytes; /* of the files together */
	int64_t tar_bytes;  /* of the tar */
	bool is_shared;	    /* by small files; a large file is alone */
	bool is_dense;	    /* compressing it would gain little; see parcels_probe() */
};

struct parcels {
	struct parcel *list; /* shared ones first, then large files by path */
	size_t count;
	const struct folder_file **order; /* the files, parcel by parcel */
};

/* The caller releases P in any case. */
int parcels_plan(struct parcels *p, const struct folder *f, const struct parcel_limits *limits,
		 struct error *e);
void parcels_release(struct parcels *p);

/* Looks into large files and sets their is_dense. */
int parcels_probe(struct parcels *p, const struct folder *f, struct error *e);

/* What a tar is made of, in turn: bytes (headers, what fills a block up, the end), and files as a whole. */
struct parcel_visitor {
	int (*bytes)(void *context, const void *data, size_t len, struct error *e);
	int (*file)(void *context, const struct folder_file *file, struct error *e);
};

/* Visits the pieces until a visitor does not return 0. */
int parcel_visit(const struct parcel *p, const struct parcel_visitor *visitor, void *context,
		 struct error *e);

#endif
