/* SPDX-License-Identifier: Apache-2.0 */
/* notices: a push as plain lines, for a log: one when a blob begins, one when it is there, and one
 * now and then in between; and what is said in the end. */
#ifndef NOTICES_H
#define NOTICES_H

#include "buffer.h"
#include "tally.h"

#include <stdbool.h>
#include <stdint.h>

struct notices {
	int64_t interval_ms; /* of lines about what goes on */
	int64_t told_ms;     /* when there was a line */
};

/* Appends to OUT the line, if any, for what has become of B. That it is tried again is said by who does
 * that. */
void notices_changed(struct notices *n, struct tally_blob *b, int64_t now_ms, struct buffer *out);

/* Appends lines for what has been going on for long. */
void notices_tick(struct notices *n, struct tally *t, int64_t now_ms, struct buffer *out);

/* Appends what was published, as a small tree; nothing if the push has not come to its end. */
void notices_published(const struct tally *t, int64_t now_ms, struct buffer *out);

/* Appends how much is in the registry, of a push that has not come to its end. HINT follows, "" for
 * none. */
void notices_rest(const struct tally *t, const char *hint, struct buffer *out);

#endif
