/* SPDX-License-Identifier: Apache-2.0 */
/* clock: time that passes, for durations and deadlines. Not the time of day. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed moment; never goes back. */
int64_t clock_now_ms(void);

#endif
