/* SPDX-License-Identifier: Apache-2.0 */
/* What was pushed where: the newest other repository, no line twice, a file that does not grow. */
#include "check.h"
#include "pushed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[256], file[400];

static struct digest of(int number)
{
	struct digest d;
	digest_of(&d, &number, sizeof number);
	return d;
}

static void add(const char *name, int number)
{
	struct reference r;
	struct error e = {0};
	struct digest d = of(number);
	if (reference_parse(&r, name, &e))
		abort();
	pushed_add(&r, &d);
}

/* Whether pushed_find() answers EXPECTED, NULL for nothing. */
static bool finds(const char *name, int number, const char *expected)
{
	char from[REFERENCE_NAME_MAX + 1] = "?";
	struct reference r;
	struct error e = {0};
	struct digest d = of(number);
	if (reference_parse(&r, name, &e))
		abort();
	if (!pushed_find(&r, &d, from))
		return !expected;
	return expected && strcmp(from, expected) == 0;
}

static bool has(const char *name, int number)
{
	struct reference r;
	struct error e = {0};
	struct digest d = of(number);
	if (reference_parse(&r, name, &e))
		abort();
	return pushed_has(&r, &d);
}

static int lines(void)
{
	int count = 0, c;
	FILE *f = fopen(file, "r");
	if (!f)
		return -1;
	while ((c = getc(f)) != EOF)
		count += c == '\n';
	fclose(f);
	return count;
}

static void write_file(const char *text, size_t len, int flags)
{
	int fd = open(file, O_WRONLY | O_CREAT | flags, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void test_find(void)
{
	CHECK(finds("r.example:1/a", 1, NULL));
	CHECK(!has("r.example:1/a", 1));
	add("r.example:1/a", 1);
	CHECK(finds("r.example:1/a", 1, NULL));
	CHECK(has("r.example:1/a", 1));
	CHECK(!has("r.example:1/a", 2));
	CHECK(!has("r.example:1/b", 1));
	CHECK(!has("r.example/a", 1));
	CHECK(finds("r.example:1/b", 1, "a"));
	CHECK(finds("r.example:1/b", 2, NULL));
	CHECK(finds("r.example/b", 1, NULL));
	add("r.example:1/team/c", 1);
	add("r.example:1/a", 1);
	CHECK(lines() == 2);
	CHECK(finds("r.example:1/b", 1, "team/c"));
	CHECK(finds("r.example:1/team/c", 1, "a"));
	add("debian", 3);
	CHECK(finds("docker.io/me/mine", 3, "library/debian"));
}

static void test_damaged(void)
{
	struct digest d = of(5);
	char text[1000];
	static char junk[4 << 20];
	/* Names that would be something else in a URL, and a line cut by a full disk. */
	snprintf(text, sizeof text, "%s a?x=1\n%s ../a\n%s A\n%s \n%s\n\n%s cu", d.text, d.text,
		 d.text, d.text, d.text, d.text);
	write_file(text, strlen(text), O_TRUNC);
	CHECK(finds("r.example:1/b", 5, NULL));
	add("r.example:1/good", 5);
	CHECK(finds("r.example:1/b", 5, "good") && finds("r.example:1/good", 5, NULL));
	memset(junk, 'x', sizeof junk);
	write_file(junk, sizeof junk, O_TRUNC);
	CHECK(finds("r.example:1/b", 5, NULL));
	add("r.example:1/good", 5);
	CHECK(finds("r.example:1/b", 5, "good") && lines() == 1);
}

static void test_size(void)
{
	static char text[PUSHED_LINES_MAX * 80];
	size_t len = 0;
	for (int i = 0; i < PUSHED_LINES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s old\n", of(i).text);
	write_file(text, len, O_TRUNC);
	add("r.example:1/new", 0);
	CHECK(lines() == PUSHED_LINES_MAX / 2 + 1);
	CHECK(finds("r.example:1/b", 0, "new"));
	CHECK(finds("r.example:1/b", PUSHED_LINES_MAX / 2 - 1, NULL));
	CHECK(finds("r.example:1/b", PUSHED_LINES_MAX / 2, "old"));
	CHECK(finds("r.example:1/b", PUSHED_LINES_MAX - 1, "old"));
}

/* Several add at once: no line is lost or torn. */
static void test_together(void)
{
	unlink(file);
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (int n = 0; n < 50; n++)
			add("r.example:1/a", 1000 * i + n);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	CHECK(lines() == 200);
	for (int i = 0; i < 200; i++)
		CHECK(finds("r.example:1/b", 1000 * (i / 50) + i % 50, "a"));
}

int main(void)
{
	char command[300];
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/pushed.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || setenv("XDG_CACHE_HOME", dir, 1))
		abort();
	snprintf(file, sizeof file, "%s/cog-push/pushed/r.example_1", dir);
	test_find();
	test_damaged();
	test_size();
	test_together();
	setenv("XDG_CACHE_HOME", "/dev/null", 1);
	add("r.example:1/a", 1);
	CHECK(finds("r.example:1/b", 1, NULL));
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return failures || system(command) ? 1 : 0;
}
