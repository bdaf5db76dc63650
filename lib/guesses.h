/* SPDX-License-Identifier: Apache-2.0 */
/* guesses: where in a blob a registry may be that does not tell, and where it is not. */
#ifndef GUESSES_H
#define GUESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUESSES_MAX 4
#define GUESSES_REFUSED_MAX 16

/* Offsets in a blob of SIZE bytes. { .size = SIZE } is empty. */
struct guesses {
	int64_t size;
	int64_t offsets[GUESSES_MAX]; /* the best first */
	int64_t refused[GUESSES_REFUSED_MAX];
	size_t count, refused_count;
};

/* Appends OFFSET, unless it is there, was refused, is no offset of the blob, or there are
 * GUESSES_MAX. */
void guesses_add(struct guesses *g, int64_t offset);

/* Takes the best away. Returns whether there was one. */
bool guesses_take(struct guesses *g, int64_t *offset);

/* OFFSET is not where it is. Returns whether there may be more to try. */
bool guesses_refuse(struct guesses *g, int64_t offset);

/* Forgets what there is to try; what was refused stays so. */
void guesses_drop(struct guesses *g);

/* Forgets all: it is known again where the registry is. */
void guesses_clear(struct guesses *g);

#endif
