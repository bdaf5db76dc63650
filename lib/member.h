/* SPDX-License-Identifier: Apache-2.0 */
/* member: the table of what a saved image's tar holds, by path. The bytes of a member that was
 * stored are a temporary file of the layout, or a blob of it. */
#ifndef MEMBER_H
#define MEMBER_H

#include "buffer.h"
#include "compress.h"
#include "error.h"
#include "known.h"
#include "layout.h"
#include "tarball.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct member {
	char *path;   /* owned by the table */
	char *target; /* of a link: what it means; NULL for a file */
	size_t order; /* place in the tar */
	int64_t size; /* bytes in the tar */
	enum encoding encoding;
	bool is_wanted; /* an image needs it */
	enum packing packing; /* how the image needs it */
	const struct digest *diff_id; /* what a config calls its content; NULL when not known (borrowed) */
	const struct descriptor *as; /* what the image calls it; NULL when not known (borrowed) */
	bool is_stored;	 /* PACKED is valid */
	bool is_dropped; /* its bytes are gone: PACKED.raw and diff_id are what its name says, raw_size was counted */
	const struct known_layer *known; /* the blob in PACKED is elsewhere, not here (borrowed) */
	struct packed packed;
	char temporary[LAYOUT_TEMPORARY_SIZE]; /* "" once it is a blob */
};

struct members {
	struct member *list;
	size_t count, capacity;
	size_t text_bytes; /* of all paths and targets */
	bool is_sorted;
	bool is_silent; /* nothing is converted: no records about it */
	struct compression compression; /* how layers are compressed */
	struct layout *layout; /* borrowed */
	const struct known *known; /* blobs that need not be stored; NULL for none (borrowed) */
};

/* COMPRESSION is copied. */
void members_init(struct members *t, struct layout *layout, const struct compression *compression);
void members_release(struct members *t);

/* Adds what was read; the returned member is valid until the next members_add(). NULL: STATUS_DATA
 * when the names take too much memory. */
struct member *members_add(struct members *t, const struct tarball_member *m, struct error *e);

/* Sorts by path; of two members with one path the later counts, as for tar(1). Call once, when all
 * were added. */
void members_sort(struct members *t);

/* The file that PATH means, links followed. NULL when there is none, with STATUS_DATA: WHAT is not
 * in the tar, or its links go round in a circle. Borrowed. */
struct member *members_find(struct members *t, const char *path, const char *what,
			    struct error *e);

/* The same without an error text: NULL when there is none. */
struct member *members_look(struct members *t, const char *path);

/* The member blobs/sha256/<hex>, or NULL. */
struct member *members_blob(struct members *t, const struct digest *d);

/* Stores the current file of TARBALL as a temporary blob. LEN bytes of it were read already: FIRST.
 * Writes `convert` records while it takes long, unless T is silent. */
int member_store(struct members *t, struct member *m, struct tarball *tarball, const void *first,
		 size_t len, struct error *e);

/* Whether the name of M, <64 hex digits> with or without a suffix or with /layer.tar, says that its blob is
 * known: then it need not be stored. NULL when it is not. M->encoding must be known. */
const struct known_layer *member_find_known(const struct members *t, const struct member *m);

/* Passes over the current file of TARBALL, of which LEN bytes were read already: it is taken to be the layer
 * KNOWN, which its name tells. Writes `convert` records while it takes long. */
int member_drop(struct member *m, struct tarball *tarball, size_t len,
		const struct known_layer *known, struct error *e);

/* M is the blob that KNOWN says, and nothing of it is stored. */
void member_take(struct members *t, struct member *m, const struct known_layer *known);

/* An error (STATUS_FAILED) when M was dropped and turned out to be needed. */
int member_check_stored(const struct member *m, struct error *e);

/* Makes the stored bytes what m->packing asks for: packs late what was kept, unpacks what was packed
 * before it was known that the image wants it as it is. */
int member_repack(struct members *t, struct member *m, struct error *e);

/* Compares the content of M, layer NUMBER of an image, with the diffId of the config ("" for none).
 * NAME is for the message. STATUS_DATA. */
int member_check_layer(const struct member *m, size_t number, const char *name,
		       const struct digest *diff_id, struct error *e);

/* Appends the stored bytes, which must not be packed, to OUT. */
int member_read(struct members *t, const struct member *m, struct buffer *out, struct error *e);

/* Gives the stored bytes their name among the blobs of the layout. */
int member_commit(struct members *t, struct member *m, struct error *e);

#endif
