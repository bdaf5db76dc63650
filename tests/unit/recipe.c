/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs by reference: which file is meant, what a recipe says, and the bytes at each offset. */
#include "check.h"
#include "pin.h"
#include "recipe.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_paths(void)
{
	static const char *const good[] = {"a", "a/b", ".a", "..a/b..", "a b/\xc3\xa9", "..."};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/..", "a/../b", "a/."};
	char path[PIN_PATH_MAX + 2];
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(pin_is_path(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK(!pin_is_path(bad[i]));
		errno = 0;
		CHECK(pin_open(AT_FDCWD, bad[i]) < 0 && errno == EINVAL);
	}
	memset(path, 'a', sizeof path);
	path[PIN_PATH_MAX + 1] = '\0';
	CHECK(!pin_is_path(path));
	path[PIN_PATH_MAX] = '\0';
	CHECK(pin_is_path(path));
}

static void test_pin(void)
{
	struct stat st;
	struct pin p, q;
	int64_t *const members[] = {&q.device,	    &q.inode,	 &q.modified_s,
				    &q.modified_ns, &q.changed_s, &q.changed_ns};
	CHECK(stat("/proc/self/exe", &st) == 0 || stat("/bin/sh", &st) == 0);
	pin_take(&p, &st);
	CHECK(pin_compare(&p, &st) == NULL);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		q = p;
		(*members[i])++;
		CHECK(pin_compare(&q, &st) && strcmp(pin_compare(&q, &st), "changed") == 0);
	}
	q = p;
	q.size++;
	CHECK(strcmp(pin_compare(&q, &st), "shrank") == 0);
	q.size -= 2;
	CHECK(strcmp(pin_compare(&q, &st), "grew") == 0);
	CHECK(stat("/", &st) == 0);
	pin_take(&p, &st);
	CHECK(pin_compare(&p, &st) && strcmp(pin_compare(&p, &st), "changed") == 0);
}

static void test_text(void)
{
	struct error e = {0};
	struct source back, s = {
		.fd = -1,
		.is_reference = true,
		.size = 4 + 10 + 512,
		.head = (char[]){0, 1, (char)0xff, 'a'},
		.head_len = 4,
		.path = (char[]){"a \"b\"/\xc3\xa9"},
		.offset = 5,
		.length = 10,
		.pin = {.device = -1, .inode = INT64_MIN, .size = 15, .modified_s = -2, .changed_ns = 999999999},
	};
	char *text = recipe_format(&s);
	CHECK(text && recipe_parse(&back, text, strlen(text), &e) == 0);
	CHECK(back.fd == -1 && back.is_reference && back.size == s.size && back.head_len == 4);
	CHECK(memcmp(back.head, s.head, 4) == 0 && strcmp(back.path, s.path) == 0);
	CHECK(back.offset == 5 && back.length == 10 && memcmp(&back.pin, &s.pin, sizeof s.pin) == 0);
	source_release(&back);
	free(text);
}

static void test_refused(void)
{
#define REST "\"file\":\"a\",\"device\":1,\"inode\":1,\"modified\":[1,1],\"changed\":[1,1],"
	static const char *const bad[] = {
		"{" REST "\"head\":\"\",\"padding\":0,\"size\":9,\"offset\":0,\"length\":10}",
		"{" REST "\"head\":\"\",\"padding\":0,\"size\":9,\"offset\":10,\"length\":0}",
		"{" REST "\"head\":\"\",\"padding\":0,\"size\":9,\"offset\":9223372036854775807,\"length\":9}",
		"{" REST "\"head\":\"00\",\"padding\":1,\"size\":9223372036854775807,\"offset\":0,"
		"\"length\":9223372036854775806}",
		"{" REST "\"head\":\"0A\",\"padding\":0,\"size\":9,\"offset\":0,\"length\":9}",
		"{" REST "\"head\":\"000\",\"padding\":0,\"size\":9,\"offset\":0,\"length\":9}",
		"{" REST "\"head\":\"\",\"padding\":0,\"size\":99999999999999999999,\"offset\":0,\"length\":9}",
		"{" REST "\"head\":\"\",\"padding\":0,\"size\":9,\"offset\":0}",
		"[]",
		"1",
		"",
	};
	static const char good[] =
		"{" REST "\"head\":\"0a\",\"padding\":0,\"size\":9,\"offset\":0,\"length\":9}";
	struct source s;
	struct error e = {0};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e.status = STATUS_OK;
		CHECK(recipe_parse(&s, bad[i], strlen(bad[i]), &e) < 0 && e.status == STATUS_DATA);
		source_release(&s);
	}
	CHECK(recipe_parse(&s, good, strlen(good), &e) == 0 && s.size == 10);
	source_release(&s);
}

/* Each piece alone, and reads that go over the border of pieces. */
static void test_bytes(void)
{
	const char *tmp = getenv("TMPDIR");
	char name[1024], got[32];
	snprintf(name, sizeof name, "%s/recipe.XXXXXX", tmp ? tmp : "/tmp");
	static const char all[] = "headFILE\0\0\0";
	struct error e = {0};
	struct source s = {.fd = mkstemp(name), .is_reference = true, .size = 11, .head = strdup("head"),
			   .head_len = 4, .path = strdup("a"), .offset = 2, .length = 4};
	CHECK(s.fd >= 0 && write(s.fd, "..FILE..", 8) == 8);
	for (int64_t at = 0; at <= 12; at++) {
		for (size_t len = 0; len < sizeof got; len++) {
			size_t want = at >= 11 ? 0 : len < (size_t)(11 - at) ? len : (size_t)(11 - at);
			CHECK(source_read(&s, at, got, len, &e) == (int64_t)want);
			CHECK(want == 0 || memcmp(got, all + at, want) == 0);
		}
	}
	/* A file that became shorter gives fewer bytes, and then none. */
	CHECK(ftruncate(s.fd, 4) == 0);
	CHECK(source_read(&s, 0, got, sizeof got, &e) == 6 && source_read(&s, 6, got, 1, &e) == 0);
	unlink(name);
	source_release(&s);
	CHECK(s.fd == -1);
	source_release(&s);
}

int main(void)
{
	test_paths();
	test_pin();
	test_text();
	test_refused();
	test_bytes();
	return failures != 0;
}
