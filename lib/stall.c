/* SPDX-License-Identifier: Apache-2.0 */
#include "stall.h"

int64_t stall_note(struct stall *s, int64_t now_ms, int64_t sent, int64_t moved, bool is_sending,
		   int64_t limit_ms)
{
	int64_t least = is_sending ? STALL_BYTES_PER_S * limit_ms / 1000 : 1;
	int64_t half = (sent - s->mark_sent) / 2;
	if (s->has_waited && half < least)
		least = half;
	if (moved - s->mark_moved >= least)
		*s = (struct stall){.mark_ms = now_ms, .mark_moved = moved, .mark_sent = sent};
	return now_ms - s->mark_ms;
}
