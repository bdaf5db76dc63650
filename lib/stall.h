/* SPDX-License-Identifier: Apache-2.0 */
/* stall: since when a body that is being sent makes no progress. Pure: it reads no clock. */
#ifndef STALL_H
#define STALL_H

#include <stdbool.h>
#include <stdint.h>

#define STALL_BYTES_PER_S 1024 /* less than that is no progress */

/* The window in which progress is looked for. Zeroed but for `mark_ms`, the time now. */
struct stall {
	int64_t mark_ms;    /* when it began */
	int64_t mark_moved; /* bytes that the peer had then, */
	int64_t mark_sent;  /* and those that were sent */
	bool has_waited;    /* to send: what is slow then may be we */
};

/* Notes that at NOW_MS the peer has MOVED bytes of SENT. A new window begins when it got
 * STALL_BYTES_PER_S over LIMIT_MS in this one, or half of what it was sent, if we were to send
 * slowly; without IS_SENDING with any byte. Returns how long the window is, in milliseconds. */
int64_t stall_note(struct stall *s, int64_t now_ms, int64_t sent, int64_t moved, bool is_sending,
		   int64_t limit_ms);

#endif
