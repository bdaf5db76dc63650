/* SPDX-License-Identifier: Apache-2.0 */
/* layout: an OCI image layout on disk (OCI image-spec, image-layout.md). Blobs get their final name
 * by rename and stay, but for layout_remove_blob(); index.json is replaced atomically, last, under a lock. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "buffer.h"
#include "descriptor.h"
#include "error.h"
#include "workdir.h"

#include <stdbool.h>
#include <stdint.h>

struct layout {
	int fd;		  /* DIR */
	int blobs_fd;	  /* DIR/blobs/sha256 */
	const char *path; /* borrowed, for messages */
	struct workdir work; /* temporary blobs; fd -1 when only read */
	bool is_sparse_allowed; /* layout_walk(): manifests that an index names may be absent */
};

/* Opens an existing layout for reading. STATUS_DATA when DIR is none. */
int layout_open(struct layout *l, const char *path, struct error *e);

/* Opens or makes a layout for writing. */
int layout_create(struct layout *l, const char *path, struct error *e);

/* No layout, only its temporary files, in a private directory in FOLDER. */
int layout_scratch(struct layout *l, const char *folder, struct error *e);

/* Closes; removes the temporary blobs. Accepts a layout that failed to open. */
void layout_release(struct layout *l);

/* Opens a blob for reading; checks that it is a regular file of SIZE bytes (-1: any size).
 * Returns the descriptor, or -1; STATUS_DATA when absent, of another size or no file. */
int layout_open_blob(const struct layout *l, const struct digest *d, int64_t size,
		     struct error *e);

/* Whether the blob is there, as a regular file; *SIZE (may be NULL) gets its size. */
bool layout_has_blob(const struct layout *l, const struct digest *d, int64_t *size);

/* Removes a blob: for a private layout, of what is no longer needed. One that is gone is none. */
int layout_remove_blob(const struct layout *l, const struct digest *d, struct error *e);

/* Appends a whole blob to OUT and verifies its digest. STATUS_DATA. */
int layout_read_blob(const struct layout *l, const struct digest *d, struct buffer *out,
		     struct error *e);

/* Reads and parses the manifest or index that D names. The caller releases M in any case. */
int layout_read_manifest(const struct layout *l, const struct descriptor *d, struct manifest *m,
			 struct error *e);

/* Makes an empty temporary file, open for writing and reading. NAME gets its name inside the work
 * directory. */
#define LAYOUT_TEMPORARY_SIZE 24
int layout_temporary(struct layout *l, char name[LAYOUT_TEMPORARY_SIZE], struct error *e);

/* Turns a finished temporary file into the blob D. If the blob exists already with SIZE bytes the
 * temporary file is removed instead. */
int layout_commit(struct layout *l, const char *name, const struct digest *d, int64_t size,
		  struct error *e);

/* Stores bytes in memory as a blob; D gets the digest. */
int layout_put(struct layout *l, const void *data, size_t len, struct digest *d, struct error *e);

/* Adds images to index.json under the lock: JSON texts of descriptors, complete with annotations.
 * An entry that has the ref.name of a new one loses its place to it: a name moves. An entry without
 * a name is added once. COUNT 0 makes sure that index.json exists. */
int layout_add_images(struct layout *l, const char *const *descriptors, size_t count,
		      struct error *e);

/* Reads index.json. The caller releases INDEX in any case. STATUS_DATA. */
int layout_list(const struct layout *l, struct manifest *index, struct error *e);

/* Finds the image that -i NAME|DIGEST means among the entries of index.json; NULL means the only
 * one. Names match org.opencontainers.image.ref.name and io.containerd.image.name, with and without
 * docker.io/library and the default tag; a digest may name any manifest at the top or inside a top
 * index. STATUS_FAILED and the names that are there when not found; STATUS_USAGE when NULL is
 * ambiguous. */
int layout_find(const struct layout *l, const char *selector, struct descriptor *found,
		struct error *e);

/* Visits the blobs of the tree below ROOT, depth first, each digest once, blobs before the manifest
 * that names them, of its layers the large ones first, ROOT last. Foreign layers (urls, no blob) are passed over. A visitor
 * that returns non-zero ends the walk with that value. */
typedef int layout_visitor(const struct descriptor *d, void *context, struct error *e);
int layout_walk(const struct layout *l, const struct descriptor *root, layout_visitor *visit,
		void *context, struct error *e);

/* Whether NAME, as a user writes it, means the image called REF. "docker.io/", "library/" and
 * ":latest" may be missing on either side. */
bool layout_name_matches(const char *name, const char *ref);

/* Whether it means the image D by one of its names. */
bool layout_is_named(const struct descriptor *d, const char *name);

#endif
