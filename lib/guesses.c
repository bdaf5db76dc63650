/* SPDX-License-Identifier: Apache-2.0 */
#include "guesses.h"

#include <string.h>

static bool is_among(int64_t offset, const int64_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == offset)
			return true;
	return false;
}

void guesses_add(struct guesses *g, int64_t offset)
{
	if (offset < 0 || offset > g->size || g->count == GUESSES_MAX ||
	    is_among(offset, g->refused, g->refused_count) ||
	    is_among(offset, g->offsets, g->count))
		return;
	g->offsets[g->count++] = offset;
}

bool guesses_take(struct guesses *g, int64_t *offset)
{
	if (g->count == 0)
		return false;
	*offset = g->offsets[0];
	memmove(g->offsets, g->offsets + 1, --g->count * sizeof *g->offsets);
	return true;
}

bool guesses_refuse(struct guesses *g, int64_t offset)
{
	if (g->refused_count == GUESSES_REFUSED_MAX)
		return false;
	g->refused[g->refused_count++] = offset;
	return true;
}

void guesses_drop(struct guesses *g)
{
	g->count = 0;
}

void guesses_clear(struct guesses *g)
{
	g->count = g->refused_count = 0;
}
