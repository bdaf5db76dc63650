/* SPDX-License-Identifier: Apache-2.0 */
/* Each member has an extended header: records for its times of access and change, and for a path or a size
 * that the plain header can't hold. These are the bytes that Go's archive/tar writes in its PAX format, and
 * so those of cog: the layer of a file that neither compresses is one blob in the registry. */
#include "pax.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LEN = 100 };

#define SIZE_END (INT64_C(1) << 33) /* eleven octal digits end before */
#define FOLDER "PaxHeaders.0"	    /* in the name of an extended header */

struct header {
	char name[NAME_LEN], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[NAME_LEN];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct header) == PAX_BLOCK, "a header is a block");

/* VALUE as octal digits that fill the field up to a NUL at its end. */
static void put_octal(char *to, size_t size, uint64_t value)
{
	to[size - 1] = '\0';
	for (size_t i = size - 1; i > 0; i--, value >>= 3)
		to[i - 1] = (char)('0' + (value & 7));
}

static void finish(struct header *h, char type, int64_t size)
{
	const unsigned char *bytes = (const unsigned char *)h;
	uint64_t sum = 0;
	put_octal(h->uid, sizeof h->uid, 0);
	put_octal(h->gid, sizeof h->gid, 0);
	put_octal(h->size, sizeof h->size, size < SIZE_END ? (uint64_t)size : 0);
	put_octal(h->mtime, sizeof h->mtime, 0);
	h->type = type;
	memcpy(h->magic, "ustar", sizeof h->magic);
	memcpy(h->version, "00", sizeof h->version);
	memset(h->sum, ' ', sizeof h->sum);
	for (size_t i = 0; i < sizeof *h; i++)
		sum += bytes[i];
	put_octal(h->sum, sizeof h->sum - 1, sum);
}

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* The bytes of TEXT that are ASCII, as far as they fit; returns how many there are. */
static size_t put_ascii(char *to, size_t at, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			continue;
		if (at < NAME_LEN)
			to[at] = text[i];
		at++;
	}
	return at;
}

/* A record: its length, which counts its own digits, a space, KEY=VALUE and a newline. */
static int put_record(struct buffer *to, const char *key, const char *value, size_t len,
		      struct error *e)
{
	char start[40];
	size_t rest = strlen(key) + len + 3, total = rest;
	for (int i = 0; i < 3; i++)
		total = rest + (size_t)snprintf(start, sizeof start, "%zu", total);
	snprintf(start, sizeof start, "%zu %s=", total, key);
	return buffer_append(to, start, strlen(start), e) || buffer_append(to, value, len, e) ||
			       buffer_append(to, "\n", 1, e)
		       ? -1
		       : 0;
}

static int put_zeros(struct buffer *to, size_t count, struct error *e)
{
	static const char zeros[PAX_BLOCK];
	return buffer_append(to, zeros, count, e);
}

/* What a member is called: PATH, and behind it the slash of a folder. */
struct name {
	const char *path;
	size_t len;
	bool is_folder;
};

/* The name of the extended header has FOLDER before its last part, or behind it for a folder. It is never
 * of use: it only has to fit. */
static void name_extended(struct header *h, const struct name *n)
{
	size_t folder_len = n->is_folder ? n->len : 0, at;
	for (size_t i = 0; i < n->len && !n->is_folder; i++)
		if (n->path[i] == '/')
			folder_len = i;
	at = put_ascii(h->name, 0, n->path, folder_len);
	if (folder_len)
		at = put_ascii(h->name, at, "/", 1);
	at = put_ascii(h->name, at, FOLDER, strlen(FOLDER));
	if (!n->is_folder) {
		const char *last = n->path + folder_len + (folder_len ? 1 : 0);
		at = put_ascii(h->name, at, "/", 1);
		at = put_ascii(h->name, at, last, n->len - (size_t)(last - n->path));
	}
	for (size_t end = at < NAME_LEN ? at : NAME_LEN; end && h->name[end - 1] == '/'; end--)
		h->name[end - 1] = '\0';
}

static int put_extended(struct buffer *to, const struct name *n, int64_t size, struct error *e)
{
	struct header h = {.name = ""};
	struct buffer records;
	char number[24], path[PAX_BLOCK * 16];
	size_t len = n->len + (n->is_folder ? 1 : 0);
	int rc = -1;
	buffer_init(&records, sizeof path + 2 * PAX_BLOCK);
	if (len >= sizeof path) {
		error_set(e, STATUS_DATA, "%.200s: the path is too long", n->path);
		goto out;
	}
	snprintf(path, sizeof path, "%.*s%s", (int)n->len, n->path, n->is_folder ? "/" : "");
	snprintf(number, sizeof number, "%" PRId64, size);
	if (put_record(&records, "atime", "0", 1, e) || put_record(&records, "ctime", "0", 1, e) ||
	    ((len > NAME_LEN || !is_ascii(path, len)) && put_record(&records, "path", path, len, e)) ||
	    (size >= SIZE_END && put_record(&records, "size", number, strlen(number), e)))
		goto out;
	name_extended(&h, n);
	put_octal(h.mode, sizeof h.mode, 0);
	finish(&h, 'x', (int64_t)records.len);
	if (buffer_append(to, &h, sizeof h, e) || buffer_append(to, records.data, records.len, e) ||
	    put_zeros(to, pax_padding((int64_t)records.len), e))
		goto out;
	rc = 0;
out:
	buffer_release(&records);
	return rc;
}

static int put_member(struct buffer *to, const struct name *n, int64_t size, struct error *e)
{
	struct header h = {.name = ""};
	size_t at = put_ascii(h.name, 0, n->path, n->len);
	if (n->is_folder)
		at = put_ascii(h.name, at, "/", 1);
	/* A name that was cut after a slash would be that of a folder. */
	for (size_t end = NAME_LEN; at > NAME_LEN && end && h.name[end - 1] == '/'; end--)
		h.name[end - 1] = '\0';
	put_octal(h.mode, sizeof h.mode, n->is_folder ? 0755 : 0644);
	put_octal(h.major, sizeof h.major, 0);
	put_octal(h.minor, sizeof h.minor, 0);
	finish(&h, n->is_folder ? '5' : '0', size);
	return put_extended(to, n, size, e) || buffer_append(to, &h, sizeof h, e) ? -1 : 0;
}

int pax_file(struct buffer *to, const char *path, int64_t size, struct error *e)
{
	const struct name n = {path, strlen(path), false};
	return put_member(to, &n, size, e);
}

int pax_folder(struct buffer *to, const char *path, size_t len, struct error *e)
{
	const struct name n = {path, len, true};
	return put_member(to, &n, 0, e);
}

size_t pax_padding(int64_t size)
{
	return (size_t)((PAX_BLOCK - size % PAX_BLOCK) % PAX_BLOCK);
}
