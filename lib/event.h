/* SPDX-License-Identifier: Apache-2.0 */
/* event: the records that programs write on stdout, one JSON object a line, each with one write(2)
 * of at most PIPE_BUF bytes so that parallel programs can share a pipe. cog-events(5) is the
 * specification. Every function returns 0, or -1 with STATUS_FAILED when stdout takes no more. */
#ifndef EVENT_H
#define EVENT_H

#include "descriptor.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

enum phase { PHASE_EXPORTING, PHASE_CONVERTING, PHASE_PUSHING, PHASE_DONE };

int event_phase(enum phase phase, struct error *e);

/* SOURCE is the member's name. INPUT_SIZE -1 and DIFF_ID NULL when not known. */
int event_convert(const char *source, int64_t input_bytes, int64_t input_size,
		  const struct digest *diff_id, struct error *e);

/* SOURCE is a file of a weight. */
int event_hash(const char *source, int64_t input_bytes, int64_t input_size, struct error *e);

/* DIFF_ID NULL and UNCOMPRESSED_SIZE -1 when not known or no layer. */
int event_blob(const struct descriptor *d, const struct digest *diff_id, int64_t uncompressed_size,
	       struct error *e);

/* An image in a layout; D is its manifest or index. NAMES that do not fit into a record are left
 * out. */
typedef int event_of_image(const struct descriptor *d, const char *const *names, size_t count,
			   struct error *e);
event_of_image event_image;

/* An image in a tar; D is its manifest or index, or its config (KIND_CONFIG) where the manifest is
 * yet to be made. */
event_of_image event_source;

/* A layer of an image in a tar. D is NULL where its blob is yet to be made, DIFF_ID where it is not
 * known. */
int event_layer(const struct descriptor *d, const struct digest *diff_id, struct error *e);

struct event_progress {
	const struct digest *digest;
	int64_t size;
	int64_t offset;	     /* confirmed by the registry */
	int64_t sent_offset; /* handed to the network */
	int64_t bytes_per_second;
};
int event_progress(const struct event_progress *p, struct error *e);

/* DIGEST is NULL for what is no blob; HTTP_STATUS 0 when there was no answer. */
struct event_retry {
	const struct digest *digest;
	int64_t attempt, max_attempts;
	int64_t delay_ms;
	const char *reason;
	int http_status;
};
int event_retry(const struct event_retry *r, struct error *e);

/* HOW: uploaded, exists or mounted. */
int event_done(const struct digest *digest, int64_t size, const char *how, int64_t sent_bytes,
	       int64_t ms, struct error *e);

/* What a push would do. HOW as of event_done(); REF as below, of a manifest, else NULL. */
struct event_plan {
	const struct digest *digest;
	int64_t size;
	const char *how;
	int64_t sent_bytes; /* that would be sent, */
	int64_t chunks;	    /* in so many bodies */
	const char *ref;
};
int event_plan(const struct event_plan *p, struct error *e);

/* REF: registry/repository:tag or @digest. */
int event_manifest(const struct descriptor *d, const char *ref, struct error *e);

/* The files of a weight together: SIZE in bytes. */
int event_weight(const char *name, const struct digest *set_digest, const char *tag, int64_t size,
		 struct error *e);

/* DIGEST may be NULL. */
int event_error(const struct error *failure, const struct digest *digest, struct error *e);

#endif
