/* SPDX-License-Identifier: Apache-2.0 */
/* bars: a push as a block of lines on a terminal: one for each blob, and the whole below. */
#ifndef BARS_H
#define BARS_H

#include "screen.h"
#include "tally.h"

#include <stdint.h>

/* Makes a frame of S, for as many lines as there is room: where there are more blobs than that,
 * those that are being worked on, and how many the others are. Nothing where nothing is known yet.
 */
void bars_draw(const struct tally *t, struct screen *s, int64_t now_ms);

#endif
