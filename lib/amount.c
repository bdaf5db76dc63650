/* SPDX-License-Identifier: Apache-2.0 */
#include "amount.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

const char *amount_of_bytes(int64_t bytes, char text[AMOUNT_SIZE])
{
	static const char *const units[] = {"kB", "MB", "GB"};
	double value = (double)bytes / 1000;
	size_t unit = 0;
	if (bytes < 1000) {
		snprintf(text, AMOUNT_SIZE, "%" PRId64 " B", bytes);
		return text;
	}
	while (value >= 999.95 && unit < 2) {
		value /= 1000;
		unit++;
	}
	snprintf(text, AMOUNT_SIZE, "%.1f %s", value, units[unit]);
	return text;
}

const char *amount_of_rate(int64_t bytes_per_second, char text[AMOUNT_SIZE])
{
	amount_of_bytes(bytes_per_second, text);
	strcat(text, "/s");
	return text;
}

const char *amount_taken(int64_t ms, char text[AMOUNT_SIZE])
{
	if (ms >= MINUTE * 1000)
		return amount_left(ms / 1000, text);
	snprintf(text, AMOUNT_SIZE, "%.1fs", (double)ms / 1000);
	return text;
}

int64_t amount_seconds(int64_t bytes, int64_t rate)
{
	return bytes > 0 ? 1 + (bytes - 1) / rate : 0;
}

const char *amount_left(int64_t seconds, char text[AMOUNT_SIZE])
{
	if (seconds < MINUTE)
		snprintf(text, AMOUNT_SIZE, "%" PRId64 "s", seconds);
	else if (seconds < HOUR)
		snprintf(text, AMOUNT_SIZE, "%" PRId64 "m%02" PRId64 "s", seconds / MINUTE,
			 seconds % MINUTE);
	else if (seconds < DAY)
		snprintf(text, AMOUNT_SIZE, "%" PRId64 "h%02" PRId64 "m", seconds / HOUR,
			 seconds % HOUR / MINUTE);
	else if (seconds < 100 * DAY)
		snprintf(text, AMOUNT_SIZE, "%" PRId64 "d%02" PRId64 "h", seconds / DAY,
			 seconds % DAY / HOUR);
	else
		snprintf(text, AMOUNT_SIZE, "> 99d");
	return text;
}
