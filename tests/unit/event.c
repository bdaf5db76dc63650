/* SPDX-License-Identifier: Apache-2.0 */
/* A record is one line of valid JSON of at most PIPE_BUF bytes, whatever the texts in it. */
#include "check.h"
#include "event.h"
#include "json.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Takes the record that was written into the pipe FD; returns its text KEY, "" where there is none. */
static void take(int fd, const char *key, char *text, size_t size)
{
	struct error e = {0};
	char line[2 * PIPE_BUF];
	ssize_t len = read(fd, line, sizeof line);
	CHECK(len > 0 && len <= PIPE_BUF && memchr(line, '\n', (size_t)len) == line + len - 1);
	json_t *root = json_parse("record", line, len > 0 ? (size_t)len : 0, &e);
	CHECK(root != NULL);
	const char *value = json_text(root, key);
	if (!value)
		value = json_string_value(json_array_get(json_list(root, key), 0));
	snprintf(text, size, "%s", value ? value : "");
	json_decref(root);
}

/* A text of LEN characters at most is cut before a character, never in one. */
static void test_cut(int fd)
{
	static const char *const characters[] = {"a", "\"", "\\", "\xc3\xa9", "\xe2\x82\xac",
						 "\xf0\x9f\x90\xb3"};
	for (size_t i = 0; i < sizeof characters / sizeof *characters; i++)
		for (size_t shift = 0; shift < 8; shift++) {
			struct descriptor d = {.media_type = "type"};
			struct error e = {0};
			size_t step = strlen(characters[i]);
			char name[1000] = "", found[2000];
			const char *const names[] = {name};
			memset(name, 'x', shift);
			for (size_t at = shift; at + step < sizeof name; at += step)
				memcpy(name + at, characters[i], step + 1);
			CHECK(event_image(&d, names, 1, &e) == 0);
			take(fd, "names", found, sizeof found);
			CHECK(strlen(found) > 250 && strncmp(found, name, strlen(found)) == 0);
			CHECK((strlen(found) - shift) % step == 0);
		}
}

static void test_short(int fd)
{
	struct descriptor d = {.media_type = "type"};
	struct error e = {0};
	char found[100];
	CHECK(event_manifest(&d, "r.io/a:1 \"\xe2\x82\xac\" \x1b", &e) == 0);
	take(fd, "ref", found, sizeof found);
	CHECK(strcmp(found, "r.io/a:1 \"\xe2\x82\xac\" ?") == 0);
}

int main(void)
{
	int fds[2];
	if (pipe(fds) || dup2(fds[1], STDOUT_FILENO) < 0)
		return 1;
	test_cut(fds[0]);
	test_short(fds[0]);
	return failures != 0;
}
