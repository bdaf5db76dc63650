/* SPDX-License-Identifier: Apache-2.0 */
/* Weights: the bytes of a tar's headers, tags, digests, documents, what names are refused, and which file
 * goes into which layer. */
#include "check.h"
#include "folder.h"
#include "parcel.h"
#include "pax.h"
#include "pool.h"
#include "weight.h"

#include <stdlib.h>
#include <string.h>

/* The fields of the header at AT, as text. */
static const char *field(const struct buffer *b, size_t at, size_t offset)
{
	return b->data + at + offset;
}

static bool has_sum(const struct buffer *b, size_t at)
{
	unsigned long sum = 0;
	for (size_t i = 0; i < PAX_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)b->data[at + i];
	return strtoul(field(b, at, 148), NULL, 8) == sum;
}

static void test_short_header(void)
{
	struct error e = {0};
	struct buffer b;
	buffer_init(&b, 1 << 20);
	CHECK(pax_file(&b, "a/config.json", 10, &e) == 0 && b.len == 3 * PAX_BLOCK);
	CHECK(strcmp(field(&b, 0, 0), "a/PaxHeaders.0/config.json") == 0);
	CHECK(*field(&b, 0, 156) == 'x' && strcmp(field(&b, 0, 124), "00000000026") == 0);
	CHECK(strcmp(field(&b, PAX_BLOCK, 0), "11 atime=0\n11 ctime=0\n") == 0);
	CHECK(strcmp(field(&b, 1024, 0), "a/config.json") == 0);
	CHECK(strcmp(field(&b, 1024, 100), "0000644") == 0 && strcmp(field(&b, 1024, 108), "0000000") == 0);
	CHECK(strcmp(field(&b, 1024, 124), "00000000012") == 0 && *field(&b, 1024, 156) == '0');
	CHECK(strcmp(field(&b, 1024, 136), "00000000000") == 0);
	CHECK(memcmp(field(&b, 1024, 257), "ustar\00000", 8) == 0);
	CHECK(has_sum(&b, 0) && has_sum(&b, 1024));
	buffer_clear(&b);
	CHECK(pax_folder(&b, "a/b/file", 3, &e) == 0 && b.len == 3 * PAX_BLOCK);
	CHECK(strcmp(field(&b, 0, 0), "a/b/PaxHeaders.0") == 0);
	CHECK(strcmp(field(&b, 1024, 0), "a/b/") == 0 && *field(&b, 1024, 156) == '5');
	CHECK(strcmp(field(&b, 1024, 100), "0000755") == 0 && has_sum(&b, 1024));
	buffer_release(&b);
}

static void test_long_header(void)
{
	struct error e = {0};
	struct buffer b;
	char path[150];
	buffer_init(&b, 1 << 20);
	/* What the plain header can't hold: a path of more than 100 bytes, one that is not ASCII, 8 GiB. */
	memset(path, 'd', sizeof path);
	path[sizeof path - 1] = '\0';
	path[99] = '/';
	CHECK(pax_file(&b, path, INT64_C(1) << 33, &e) == 0);
	CHECK(strstr(field(&b, 512, 0), "\n159 path=ddd") && strstr(field(&b, 512, 0), "d\n19 size=8589934592\n"));
	CHECK(memchr(field(&b, 1024, 0), '/', 100) == NULL && *field(&b, 1024, 98) == 'd');
	CHECK(strcmp(field(&b, 1024, 124), "00000000000") == 0);
	buffer_clear(&b);
	CHECK(pax_file(&b, "a/\xc3\xa9" "b", 1, &e) == 0);
	CHECK(strcmp(field(&b, 512, 0), "11 atime=0\n11 ctime=0\n14 path=a/\xc3\xa9" "b\n") == 0);
	CHECK(strcmp(field(&b, 0, 0), "a/PaxHeaders.0/b") == 0 && strcmp(field(&b, 1024, 0), "a/b") == 0);
	CHECK(pax_padding(0) == 0 && pax_padding(1) == 511 && pax_padding(512) == 0 && pax_padding(513) == 511);
	buffer_release(&b);
}

static void test_tags(void)
{
	static const struct {
		const char *name, *tag;
	} cases[] = {
		{"resnet50", "cog-weight.resnet50.e3b0c44298fc"},
		{"my model (v2)", "cog-weight.my-model-v2.e3b0c44298fc"},
		{"---foo---", "cog-weight.foo.e3b0c44298fc"},
		{"a---b_c", "cog-weight.a-b_c.e3b0c44298fc"},
		{"user/model.v1", "cog-weight.user-model-v1.e3b0c44298fc"},
		{"r\xc3\xa9sum\xc3\xa9", "cog-weight.r-sum.e3b0c44298fc"},
		{"!!!", "cog-weight.unnamed.e3b0c44298fc"},
	};
	struct digest d;
	char tag[WEIGHT_TAG_SIZE], name[300];
	digest_of(&d, "", 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		weight_tag(tag, cases[i].name, &d);
		CHECK(strcmp(tag, cases[i].tag) == 0);
	}
	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	weight_tag(tag, name, &d);
	CHECK(strlen(tag) == strlen("cog-weight.") + 104 + 13 && strlen(tag) <= 128);
	memset(name + 103, '-', 50);
	weight_tag(tag, name, &d);
	CHECK(strlen(tag) == strlen("cog-weight.") + 103 + 13);
}

static void test_names(void)
{
	static const char *const bad[] = {".cog", ".wh.a", ".wh..wh..opq", "a\\b", "a\nb", "\x01", "a\x7f",
					  "\xff", "cut \xe2\x82", "\xc0\xaf", "\xed\xa0\x80"};
	static const char *const good[] = {"a", ".gitignore", "wh.a", ".cogs", "cog", ".wh", "with space",
					   "\xc3\xa9", "\xe2\x80\xae", "..."};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(folder_refuse(bad[i]) != NULL);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(folder_refuse(good[i]) == NULL);
}

static void test_name_and_target(void)
{
	struct error e = {0};
	static const char *const targets[] = {"", "src", "./a", "/a/../b", "/..", "/a\n", "/\xff",
					      "//", "//a", "/a//b", "/a/", "/./a", "/a/./b", "/a/."};
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		CHECK(weight_check_target(targets[i], &e) == -1 && e.status == STATUS_DATA);
	CHECK(weight_check_target("/", &e) == 0 && weight_check_target("/.a", &e) == 0);
	CHECK(weight_check_target("/src/weights", &e) == 0 && weight_check_target("/a/..b/c..", &e) == 0);
	CHECK(weight_check_name("a model", &e) == 0);
	CHECK(weight_check_name("", &e) == -1 && weight_check_name("a\tb", &e) == -1 && weight_check_name("\xff", &e) == -1);
}

static void set_file(struct weight_file *f, const char *path, const char *content)
{
	*f = (struct weight_file){.path = strdup(path), .size = (int64_t)strlen(content)};
	digest_of(&f->digest, content, strlen(content));
}

/* What is written can be read, and the set digest is that of sha256sum's lines. */
static void test_documents(void)
{
	static const char lines[] =
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b/c d";
	struct weight w, again;
	struct error e = {0};
	struct digest expected;
	struct descriptor config = {.media_type = MEDIA_TYPE_WEIGHT_CONFIG}, found;
	CHECK(weight_init(&w, 2, 1, &e) == 0);
	w.name = strdup("n");
	w.target = strdup("/t");
	set_file(&w.files[0], "a", "a");
	set_file(&w.files[1], "b/c d", "b");
	digest_of(&expected, lines, strlen(lines));
	weight_set_digest(w.files, 2, &w.set_digest);
	CHECK(digest_equal(&expected, &w.set_digest));
	digest_of(&w.layers[0].descriptor.digest, "x", 1);
	strcpy(w.layers[0].descriptor.media_type, MEDIA_TYPE_LAYER);
	w.layers[0].file_bytes = 2;
	w.files[0].layer = w.files[1].layer = w.layers[0].descriptor.digest;
	char *text = weight_config(&w);
	CHECK(text && strstr(text, "{\"name\":\"n\",\"target\":\"/t\",\"setDigest\":\"sha256:") == text);
	digest_of(&config.digest, text, strlen(text));
	char *manifest = weight_manifest(&w, &config);
	CHECK(manifest && strstr(manifest, "\"annotations\":{\"run.cog.weight.size.uncompressed\":\"2\"}"));
	CHECK(weight_parse(&again, manifest, strlen(manifest), &found, &e) == 0);
	CHECK(weight_parse_config(&again, text, strlen(text), &e) == 0);
	CHECK(again.file_count == 2 && strcmp(again.files[1].path, "b/c d") == 0 && again.layers[0].file_bytes == 2);
	CHECK(digest_equal(&found.digest, &config.digest) && strcmp(again.target, "/t") == 0);
	char *name = weight_name(manifest, strlen(manifest));
	CHECK(name && strcmp(name, "n") == 0);
	weight_release(&again);
	/* A config of other files, and a manifest that is no weight. */
	char *size = strstr(text, "\"path\":\"a\"");
	size[8] = 'A';
	CHECK(weight_parse(&again, manifest, strlen(manifest), &found, &e) == 0);
	CHECK(weight_parse_config(&again, text, strlen(text), &e) == -1 && e.status == STATUS_DATA);
	weight_release(&again);
	memcpy(strstr(manifest, "weight.v1"), "freight", 6);
	CHECK(weight_parse(&again, manifest, strlen(manifest), &found, &e) == -1 && e.status == STATUS_DATA);
	CHECK(weight_name(manifest, strlen(manifest)) == NULL);
	weight_release(&again);
	weight_release(&w);
	free(name);
	free(text);
	free(manifest);
}

static int tell_bytes(void *context, const void *data, size_t len, struct error *e)
{
	(void)data, (void)e;
	*(int64_t *)context += (int64_t)len;
	return 0;
}

static int tell_file(void *context, const struct folder_file *file, struct error *e)
{
	(void)e;
	*(int64_t *)context += file->size;
	return 0;
}

static void test_parcels(void)
{
	static const struct parcel_visitor teller = {tell_bytes, tell_file};
	char paths[][8] = {"a-b/x", "a/x", "a/y/z", "big", "small", "zero"};
	static const int64_t sizes[] = {10, 10, 10, 100, 5, 0};
	struct folder_file files[6];
	struct folder f = {.files = files, .count = 6};
	struct parcel_limits limits = {.file_max = 100, .size_max = 20};
	struct parcels p;
	struct error e = {0};
	for (size_t i = 0; i < 6; i++)
		files[i] = (struct folder_file){.path = paths[i], .size = sizes[i]};
	CHECK(parcels_plan(&p, &f, &limits, &e) == 0 && p.count == 3);
	CHECK(p.list[0].is_shared && p.list[0].count == 2 && p.list[0].files[1] == &files[1]);
	CHECK(p.list[1].count == 3 && p.list[1].files[1] == &files[4] && p.list[1].file_bytes == 15);
	CHECK(!p.list[2].is_shared && p.list[2].count == 1 && p.list[2].files[0] == &files[3]);
	/* Two folders and two files of three blocks and their content, and the end. */
	CHECK(p.list[0].tar_bytes == 2 * 1536 + 2 * 2048 + 1024);
	int64_t bytes = 0;
	CHECK(parcel_visit(&p.list[1], &teller, &bytes, &e) == 0 && bytes == p.list[1].tar_bytes);
	parcels_release(&p);
	/* A file that is larger than a shared layer may be is alone in one. */
	limits = (struct parcel_limits){.file_max = 1000, .size_max = 8};
	CHECK(parcels_plan(&p, &f, &limits, &e) == 0 && p.count == 5 && p.list[4].count == 2);
	parcels_release(&p);
}

static int fail_third(void *context, size_t number, struct error *e)
{
	*((char *)context + number) = 1;
	return number == 3 || number == 5 ? error_set(e, STATUS_DATA, "job %zu", number) : 0;
}

static void test_pool(void)
{
	for (int threads = 1; threads <= 4; threads++) {
		char done[100] = {0};
		struct error e = {0};
		CHECK(pool_run(threads, 3, fail_third, done, &e) == 0 && done[0] && done[1] && done[2]);
		CHECK(pool_run(threads, 100, fail_third, done, &e) == -1 && strcmp(e.text, "job 3") == 0);
		CHECK(done[3] && !done[99]);
	}
}

int main(void)
{
	test_short_header();
	test_long_header();
	test_tags();
	test_names();
	test_name_and_target();
	test_documents();
	test_parcels();
	test_pool();
	return failures != 0;
}
