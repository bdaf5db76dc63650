/* SPDX-License-Identifier: Apache-2.0 */
/* tally: what the records of a push say so far about each blob, each manifest and the whole. It
 * shows nothing. Records are as in cog-events(5); what is missing or not known in them is passed
 * over. */
#ifndef TALLY_H
#define TALLY_H

#include "digest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_RATE_MS 5000 /* what a record says about a rate is true so long */

enum tally_state {
	TALLY_WAITING,
	TALLY_CONVERTING,
	TALLY_PUSHING,
	TALLY_RETRYING,
	TALLY_DONE,
	TALLY_HASHING,
};

/* A layer that was announced has a diffId or a digest; one that is converted may have its source
 * alone. Texts are cleaned; "" where not known. */
struct tally_blob {
	char digest[DIGEST_TEXT_LEN + 1], diff_id[DIGEST_TEXT_LEN + 1];
	char source[256];
	enum tally_state state;
	bool is_config;
	int64_t size;				 /* -1: not known */
	int64_t offset;				 /* what has left us */
	int64_t confirmed;			 /* what the registry says it has */
	int64_t input_bytes, input_size;	 /* while it is converted or hashed; -1: not known */
	int64_t rate, rate_ms;			 /* bytes a second, and when that was said */
	int64_t attempt, max_attempts, retry_ms; /* of RETRYING: the moment of the next try */
	char reason[256];
	char how[100]; /* of DONE, the last time: uploaded, exists, mounted */
	bool is_new;   /* it was uploaded */
	int64_t sent_bytes, taken_ms;
	int64_t told_ms;	     /* for who shows it: when it last was, 0: never */
	enum tally_state told_state; /* and as what */
};

/* A manifest or index. */
struct tally_manifest {
	char digest[DIGEST_TEXT_LEN + 1];
	char platform[64];
	char ref[512]; /* where it was put last */
	char tags[512];
};

struct tally_extent {
	size_t count, capacity;
};

struct tally {
	struct tally_blob *blobs;
	struct tally_extent blob_extent;
	struct tally_manifest *manifests; /* those that were put come last, in that order */
	struct tally_extent manifest_extent;
	struct tally_manifest
		source; /* of a docker archive: the platform, before there is a manifest */
	char config[DIGEST_TEXT_LEN + 1]; /* its config */
	struct tally_blob registry; /* RETRYING while something that is no blob is tried again */
	struct tally_blob hashed;   /* HASHING while nothing else is heard of: a file of a weight */
	bool is_converting;	    /* what there is is not all known */
	bool is_begun, is_done;
	int64_t start_ms;
};

/* The whole. What is waiting and of no known size counts as a layer, but for no bytes. */
struct tally_total {
	size_t layers, layers_there; /* all but configs */
	size_t blobs_there;
	size_t uploaded, existing, mounted; /* layers */
	int64_t bytes, bytes_there; /* of all known, and of them in the registry or on the way */
	int64_t bytes_done;	    /* of the blobs that are in the registry */
	size_t blobs_begun;	    /* those of which it has a part, */
	int64_t bytes_begun;	    /* and how much of them */
	int64_t bytes_sent;
	int64_t rate;
	int64_t left_s; /* -1: not known */
};

/* NOW is on the clock of clock_now_ms() here and below. */
void tally_init(struct tally *t, int64_t now_ms);
void tally_release(struct tally *t);

/* Takes a record. Returns the blob (or T's registry) that it changed, borrowed until the next call;
 * NULL for other records. */
struct tally_blob *tally_take(struct tally *t, const json_t *record, int64_t now_ms);

struct tally_total tally_sum(const struct tally *t, int64_t now_ms);

/* What a blob is called: the beginning of its digest or diffId, or the end of the path
 * of its source. */
void tally_name(const struct tally_blob *b, char *text, size_t size);

#endif
