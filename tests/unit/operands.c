/* SPDX-License-Identifier: Apache-2.0 */
/* What users write for an index or an artifact: annotations, platforms, files, media types, names. */
#include "annotations.h"
#include "check.h"
#include "descriptor.h"
#include "entry.h"
#include "filespec.h"
#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_annotations(void)
{
	struct annotations a = {0};
	struct error e = {0};
	static const char *const good[] = {"b=1", "a.b=\xe2\x82\xac=x", "a=", "ab=2", "B=two\nlines"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(annotations_add(&a, good[i], &e) == 0);
	static const char *const bad[] = {"", "=x", "key", "b=again", "a=again", "\x01=x", "c=\xff", "\xff=x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e = (struct error){0};
		CHECK(annotations_add(&a, bad[i], &e) == -1 && e.status == STATUS_USAGE);
	}
	json_t *object = json_object();
	annotations_write(&a, object);
	char *text = json_dumps(object, JSON_COMPACT);
	CHECK(strcmp(text, "{\"annotations\":{\"B\":\"two\\nlines\",\"a\":\"\",\"a.b\":\"\xe2\x82\xac=x\","
			   "\"ab\":\"2\",\"b\":\"1\"}}") == 0);
	free(text);
	json_object_clear(object);
	a.count = 0;
	annotations_write(&a, object);
	CHECK(json_object_size(object) == 0);
	json_decref(object);
}

static void test_annotations_are_counted(void)
{
	static char items[ANNOTATIONS_MAX + 1][8];
	struct annotations a = {0};
	struct error e = {0};
	for (int i = ANNOTATIONS_MAX; i >= 0; i--) {
		snprintf(items[i], sizeof items[i], "%03d=", i % 1000);
		CHECK(annotations_add(&a, items[i], &e) == (i == 0 ? -1 : 0));
	}
	for (size_t i = 0; i < a.count; i++)
		CHECK(a.items[i] == items[i + 1]);
}

static void test_platforms(void)
{
	struct platform p;
	struct error e = {0};
	CHECK(platform_parse(&p, "linux/arm/v7", &e) == 0 && strcmp(p.os, "linux") == 0 &&
	      strcmp(p.architecture, "arm") == 0 && strcmp(p.variant, "v7") == 0);
	CHECK(platform_parse(&p, "linux/amd64", &e) == 0 && !*p.variant && !*p.os_version);
	static const char *const bad[] = {"", "linux", "linux/", "/amd64", "linux/amd64/", "linux//v7",
					  "linux/arm/v7/x", "linux/a b", "linux/\xc3\xa4", "linux\namd64/x",
					  "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e = (struct error){0};
		CHECK(platform_parse(&p, bad[i], &e) == -1 && e.status == STATUS_USAGE);
	}
}

/* What the platform of a config is as a member of a descriptor; "" for none. */
static void read_and_write(const char *config, char *out, size_t size)
{
	struct platform p;
	struct error e = {0};
	json_t *object = json_parse("config", config, strlen(config), &e), *descriptor = json_object();
	bool is_known = platform_read(&p, object);
	if (is_known)
		platform_write(&p, descriptor);
	char *text = json_dumps(json_object_get(descriptor, "platform"), JSON_COMPACT);
	snprintf(out, size, "%s", is_known ? text : "");
	free(text);
	json_decref(object);
	json_decref(descriptor);
}

static void test_configs(void)
{
	static const struct {
		const char *config, *platform;
	} cases[] = {
		{"{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\",\"rootfs\":{}}",
		 "{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\"}"},
		{"{\"architecture\":\"amd64\",\"os\":\"windows\",\"os.version\":\"10.0.20348.1\",\"variant\":\"\"}",
		 "{\"architecture\":\"amd64\",\"os\":\"windows\",\"os.version\":\"10.0.20348.1\"}"},
		{"{\"os\":\"linux\"}", ""},
		{"{\"os\":\"\",\"architecture\":\"\"}", ""},
		{"{\"os\":1,\"architecture\":\"amd64\"}", ""},
		{"{\"os\":\"li\\nux\",\"architecture\":\"amd64\"}", ""},
		{"[]", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char found[200];
		read_and_write(cases[i].config, found, sizeof found);
		CHECK(strcmp(found, cases[i].platform) == 0);
	}
}

static void test_files(void)
{
	static const struct {
		const char *text, *path, *type, *title;
	} good[] = {
		{"a.txt", "a.txt", "default/type", "a.txt"},
		{"a.txt:text/plain", "a.txt", "text/plain", "a.txt"},
		{"a:b:", "a:b", "default/type", "a:b"},
		{"a:b:application/spdx+json", "a:b", "application/spdx+json", "a:b"},
		{"./d//./e f:", "./d//./e f", "default/type", "d/e f"},
		{"..a/b..", "..a/b..", "default/type", "..a/b.."},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "default/type", "gr\xc3\xbc\xc3\x9f"},
	};
	struct filespec f;
	char title[FILESPEC_PATH_SIZE];
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct error e = {0};
		CHECK(filespec_parse(&f, good[i].text, "default/type", &e) == 0);
		CHECK(strcmp(f.path, good[i].path) == 0 && strcmp(f.media_type, good[i].type) == 0);
		CHECK(filespec_title(&f, title, &e) == 0 && strcmp(title, good[i].title) == 0);
	}
	static const char *const bad[] = {"", ":", ":text/plain", "a:b", "a:text/", "a:text/plain; charset=x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error e = {0};
		CHECK(filespec_parse(&f, bad[i], "default/type", &e) == -1 && e.status == STATUS_USAGE);
	}
	static const char *const nameless[] = {"/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "./", "a\nb",
					       "a\xff", "a\xe2\x80\xae"};
	for (size_t i = 0; i < sizeof nameless / sizeof *nameless; i++) {
		struct error e = {0};
		CHECK(filespec_parse(&f, nameless[i], "default/type", &e) == 0);
		CHECK(filespec_title(&f, title, &e) == -1 && e.status == STATUS_USAGE);
	}
	static char longest[FILESPEC_PATH_SIZE + 1];
	struct error e = {0};
	memset(longest, 'x', FILESPEC_PATH_SIZE);
	CHECK(filespec_parse(&f, longest, "default/type", &e) == -1);
	longest[FILESPEC_PATH_SIZE - 1] = '\0';
	CHECK(filespec_parse(&f, longest, "default/type", &e) == 0 && filespec_title(&f, title, &e) == 0);
}

static void test_media_types(void)
{
	static const char *const good[] = {"a/b", "application/vnd.oci.image.layer.v1.tar+gzip", "1/2"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(descriptor_is_media_type(good[i]));
	static const char *const bad[] = {"", "/", "a", "a/", "/b", "a/b/c", "a/b c", "+a/b", "a/.b", "a/b\n",
					  "a/\xc3\xa4", "*/*"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!descriptor_is_media_type(bad[i]));
	char longest[MEDIA_TYPE_SIZE + 1] = "a/";
	memset(longest + 2, 'b', sizeof longest - 3);
	longest[MEDIA_TYPE_SIZE] = '\0';
	CHECK(!descriptor_is_media_type(longest));
	longest[MEDIA_TYPE_SIZE - 1] = '\0';
	CHECK(descriptor_is_media_type(longest));
}

static void test_tags(void)
{
	static const char *const good[] = {"v1", "V1.0-rc_1", "team/app:v1", "r.example.com:5000/team/app:v1",
					   "cog", "xcog-1", "cog-team/app:v1"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct error e = {0};
		CHECK(entry_check_tag(good[i], &e) == 0);
	}
	static const char *const bad[] = {
		"", ".v1", "-v1", "a b", "v1\n", "team/app", "team/App:v1", "cog-image.v1", "cog-",
		"r.example.com/team/app:cog-image.v1",
		"team/app:v1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error e = {0};
		CHECK(entry_check_tag(bad[i], &e) == -1 && e.status == STATUS_USAGE);
	}
}

int main(void)
{
	test_annotations();
	test_annotations_are_counted();
	test_platforms();
	test_configs();
	test_files();
	test_media_types();
	test_tags();
	return failures != 0;
}
