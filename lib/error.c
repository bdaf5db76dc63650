/* SPDX-License-Identifier: Apache-2.0 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at TEXT and its code point; 0 where there is none. */
static size_t decode(const unsigned char *text, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (len == 1) {
		*point = text[0];
		return 1;
	}
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	uint32_t value = text[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	*point = value;
	return value < least[len] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0
											      : len;
}

static bool is_harmless(uint32_t point)
{
	if (point < 0x20 || (point >= 0x7f && point < 0xa0))
		return false;
	bool is_bidi = point == 0x61c || point == 0x200e || point == 0x200f ||
		       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
	return !is_bidi;
}

void error_clean(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;
	while (*from) {
		uint32_t point = 0;
		size_t len = decode(from, &point);
		if (len && is_harmless(point)) {
			memmove(to, from, len);
			to += len;
		} else {
			*to++ = point == '\n' || point == '\t' ? ' ' : '?';
		}
		from += len ? len : 1;
	}
	*to = '\0';
}

bool error_is_clean(const char *text)
{
	while (*text) {
		uint32_t point = 0;
		size_t len = decode((const unsigned char *)text, &point);
		if (!len || !is_harmless(point))
			return false;
		text += len;
	}
	return true;
}

int error_set(struct error *e, enum status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	e->status = status;
	vsnprintf(e->text, sizeof e->text, format, args);
	va_end(args);
	error_clean(e->text);
	return -1;
}

int error_errno(struct error *e, const char *format, ...)
{
	int saved = errno;
	char what[ERROR_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return error_set(e, STATUS_FAILED, "%.400s: %s", what, strerror(saved));
}

int error_prefix(struct error *e, const char *where)
{
	char what[ERROR_TEXT_SIZE];
	memcpy(what, e->text, sizeof what);
	return error_set(e, e->status, "%.200s: %s", where, what);
}
