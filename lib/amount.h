/* SPDX-License-Identifier: Apache-2.0 */
/* amount: sizes, rates and times as people read them: decimal units, as docker has them. */
#ifndef AMOUNT_H
#define AMOUNT_H

#include <stdint.h>

#define AMOUNT_SIZE 32

/* Each writes into TEXT and returns it. "999 B", "1.2 MB". */
const char *amount_of_bytes(int64_t bytes, char text[AMOUNT_SIZE]);

/* "1.2 MB/s" */
const char *amount_of_rate(int64_t bytes_per_second, char text[AMOUNT_SIZE]);

/* What has taken so long: "0.4s", "1m05s". */
const char *amount_taken(int64_t ms, char text[AMOUNT_SIZE]);

/* Seconds that BYTES take at RATE, above 0 and in bytes a second, rounded up. */
int64_t amount_seconds(int64_t bytes, int64_t rate);

/* What will take so long, in at most 6 columns: "27s", "1m05s", "2h03m", "3d04h". */
const char *amount_left(int64_t seconds, char text[AMOUNT_SIZE]);

#endif
