/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* for wcwidth(); NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
#include "columns.h"

#include <langinfo.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* The bytes of the character at TEXT; 1 where there is none. */
static size_t length(const char *text)
{
	size_t len = 1;
	if ((unsigned char)*text >= 0xc0)
		while (((unsigned char)text[len] & 0xc0) == 0x80)
			len++;
	return len;
}

/* The columns of the character at TEXT, -1 if it can't be shown. */
static int width(const char *text, size_t len, bool is_utf8)
{
	wchar_t c;
	mbstate_t state;
	memset(&state, 0, sizeof state);
	if ((unsigned char)*text < 0x80)
		return *text >= ' ' && *text != 0x7f ? 1 : -1;
	return is_utf8 && mbrtowc(&c, text, len, &state) == len ? wcwidth(c) : -1;
}

size_t columns_cut(char *to, size_t size, const char *text, size_t columns)
{
	bool is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	size_t used = 0;
	while (*text) {
		size_t len = length(text);
		int wide = width(text, len, is_utf8);
		const char *shown = wide < 0 ? "?" : text;
		size_t bytes = wide < 0 ? 1 : len, taken = wide < 0 ? 1 : (size_t)wide;
		if (used + taken > columns || bytes >= size)
			break;
		memcpy(to, shown, bytes);
		to += bytes;
		size -= bytes;
		used += taken;
		text += len;
	}
	*to = '\0';
	return used;
}
