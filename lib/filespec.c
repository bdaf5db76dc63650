/* SPDX-License-Identifier: Apache-2.0 */
#include "filespec.h"

#include <stdio.h>
#include <string.h>

int filespec_parse(struct filespec *f, const char *text, const char *default_type, struct error *e)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const char *type = colon && colon[1] ? colon + 1 : default_type;
	if (len == 0)
		return error_set(e, STATUS_USAGE, "'%.200s': no file name", text);
	if (len >= sizeof f->path)
		return error_set(e, STATUS_USAGE, "'%.100s...': name too long", text);
	if (!descriptor_is_media_type(type))
		return error_set(e, STATUS_USAGE,
				 "'%.100s': '%.100s' is not a media type; a file whose name has a colon "
				 "is written with one at the end: '%.100s:'",
				 text, type, text);
	memcpy(f->path, text, len);
	f->path[len] = '\0';
	snprintf(f->media_type, sizeof f->media_type, "%s", type);
	return 0;
}

int filespec_title(const struct filespec *f, char title[FILESPEC_PATH_SIZE], struct error *e)
{
	const char *from = f->path;
	char *to = title;
	if (*from == '/')
		return error_set(e, STATUS_USAGE,
				 "'%.200s': an absolute path is no name for a file in an artifact: "
				 "give it relative to a folder, from there",
				 from);
	while (*from) {
		size_t len = strcspn(from, "/");
		if (len == 2 && memcmp(from, "..", 2) == 0)
			return error_set(e, STATUS_USAGE,
					 "'%.200s': '..' in the name of a file in an artifact", f->path);
		if (len && !(len == 1 && *from == '.')) {
			if (to > title)
				*to++ = '/';
			memcpy(to, from, len);
			to += len;
		}
		from += len + (from[len] == '/');
	}
	*to = '\0';
	if (to == title)
		return error_set(e, STATUS_USAGE, "'%.200s': no file name", f->path);
	if (!error_is_clean(title))
		return error_set(e, STATUS_USAGE,
				 "'%.200s': a name with control characters, or not in UTF-8", f->path);
	return 0;
}
