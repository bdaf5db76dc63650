/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, references, descriptors, names and the cleaning of text. */
#include "check.h"
#include "descriptor.h"
#include "digest.h"
#include "error.h"
#include "layout.h"
#include "reference.h"

#include <stdio.h>
#include <string.h>

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_clean(void)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"plain", "plain"},
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3"},
		{"a\x1b[31mb\x7f", "a?[31mb?"},
		{"two\nlines\tand", "two lines and"},
		{"bidi \xe2\x80\xae\xe2\x81\xa6\xd8\x9c", "bidi ???"},
		{"c1 \xc2\x9b", "c1 ?"},
		{"cut \xe2\x82", "cut ??"},
		{"long form \xc0\xaf \xe0\x80\xaf", "long form ?? ???"},
		{"surrogate \xed\xa0\x80", "surrogate ???"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[100];
		snprintf(text, sizeof text, "%s", cases[i].from);
		error_clean(text);
		CHECK(strcmp(text, cases[i].to) == 0);
	}
}

static void test_error_is_cut(void)
{
	struct error e;
	char longer[2000];
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	CHECK(error_set(&e, STATUS_DATA, "%s", longer) == -1);
	CHECK(e.status == STATUS_DATA && strlen(e.text) == ERROR_TEXT_SIZE - 1);
	CHECK(error_prefix(&e, "where") == -1 && strncmp(e.text, "where: xxx", 10) == 0);
}

static void test_digest(void)
{
	struct digest d, other;
	CHECK(digest_parse(&d, "sha256:" HEX) == 0 && strcmp(digest_hex(&d), HEX) == 0);
	digest_of(&other, "", 0);
	CHECK(digest_equal(&d, &other));
	static const char *const bad[] = {NULL, "", "sha256:", HEX, "sha512:" HEX, "sha256:" HEX "0",
					  "sha256:../../../../../../../../../../../../../../../../etc/passwd.......",
					  "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(digest_parse(&d, bad[i]) == -1 && !digest_is_set(&d));
	struct hasher *h = hasher_new();
	hasher_update(h, "ab", 2);
	hasher_peek(h, &d);
	digest_of(&other, "ab", 2);
	CHECK(digest_equal(&d, &other));
	hasher_update(h, "c", 1);
	hasher_final(h, &d);
	digest_of(&other, "abc", 3);
	CHECK(digest_equal(&d, &other));
	hasher_final(h, &d);
	CHECK(strcmp(digest_hex(&d), HEX) == 0);
	hasher_free(h);
}

static void test_references(void)
{
	static const struct {
		const char *text, *registry, *repository, *tag, *host;
	} good[] = {
		{"debian", "docker.io", "library/debian", "", "registry-1.docker.io"},
		{"debian:12", "docker.io", "library/debian", "12", "registry-1.docker.io"},
		{"index.docker.io/me/x", "docker.io", "me/x", "", "registry-1.docker.io"},
		{"me/x:v1", "docker.io", "me/x", "v1", "registry-1.docker.io"},
		{"localhost/x", "localhost", "x", "", "localhost"},
		{"localhost:5000/a/b:1", "localhost:5000", "a/b", "1", "localhost:5000"},
		{"r8.im/me/model", "r8.im", "me/model", "", "r8.im"},
		{"[::1]:5000/x:t", "[::1]:5000", "x", "t", "[::1]:5000"},
		{"Host/x", "Host", "x", "", "Host"},
		{"a.b/c__d/e--f/g.h_i:T_1.-x", "a.b", "c__d/e--f/g.h_i", "T_1.-x", "a.b"},
		{"host:5000", "docker.io", "library/host", "5000", "registry-1.docker.io"},
		{"a.b:v1", "docker.io", "library/a.b", "v1", "registry-1.docker.io"},
		{"localhost", "docker.io", "library/localhost", "", "registry-1.docker.io"},
		{"localhost:latest", "docker.io", "library/localhost", "latest", "registry-1.docker.io"},
		{"[fe80::1]/x", "[fe80::1]", "x", "", "[fe80::1]"},
		{"127.0.0.1:443/x", "127.0.0.1:443", "x", "", "127.0.0.1:443"},
	};
	struct reference r;
	struct error e;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(reference_parse(&r, good[i].text, &e) == 0);
		CHECK(strcmp(r.registry, good[i].registry) == 0);
		CHECK(strcmp(r.repository, good[i].repository) == 0);
		CHECK(strcmp(r.tag, good[i].tag) == 0);
		CHECK(strcmp(reference_host(&r), good[i].host) == 0);
	}
	CHECK(reference_parse(&r, "x.y/z:t@sha256:" HEX, &e) == 0);
	CHECK(strcmp(r.tag, "t") == 0 && strcmp(digest_hex(&r.digest), HEX) == 0);
	CHECK(reference_parse(&r, "[::1]:5000/z@sha256:" HEX, &e) == 0);
	CHECK(!*r.tag && strcmp(digest_hex(&r.digest), HEX) == 0);
	static const char *const bad[] = {"", "x.y/", "x.y/Upper", "x.y/a//b", "x.y/a:", "x.y/a:.t",
					  "x.y/-a", "x.y/a___b", "x.y/a..b", "https://x.y/a", "x.y:port/a",
					  "x.y/a@sha256:1", ("x.y/a@md5:" HEX), HEX, "[::1/x", ".x/a",
					  "x.y/a:b:c/../d", "x.y/a\n", "x.y:/a", "x.y:123456/a",
					  "[::1]", "[::1]x/a", "[]/a", "x_y:5/a", "x.y/a@", "x.y/a:t@x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e = (struct error){0};
		CHECK(reference_parse(&r, bad[i], &e) == -1 && e.status == STATUS_USAGE);
	}
	CHECK(reference_parse_repository(&r, "x.y:5/a/b", &e) == 0);
	CHECK(strcmp(r.registry, "x.y:5") == 0 && strcmp(r.repository, "a/b") == 0);
	static const char *const more[] = {"x.y/a:t", "x.y/a@sha256:" HEX, "x.y/a:t@sha256:" HEX,
					   "x.y/Upper"};
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		e = (struct error){0};
		CHECK(reference_parse_repository(&r, more[i], &e) == -1 &&
		      e.status == STATUS_USAGE && *e.text);
	}
	char longer[600];
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	CHECK(reference_parse(&r, longer, &e) == -1);
	longer[400] = '\0';
	CHECK(reference_parse(&r, longer, &e) == -1);
}

/* What the line says is what a user gets to see. */
static void test_reference_errors(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"x.y/Upper", "'Upper': a repository must be lower case: write upper"},
		{"localhost:5000", "'localhost:5000': no repository: expected registry/repository"},
		{"r.example.com:5000", "'r.example.com:5000': no repository: expected registry/repository"},
		{"127.0.0.1:5000", "'127.0.0.1:5000': no repository: expected registry/repository"},
		{"[::1]:5000", "'[::1]:5000': no repository: expected registry/repository"},
		{"x.y/", "'x.y/': no repository: expected registry/repository"},
		{"https://x.y/a", "'https://x.y/a': a reference has no scheme: write x.y/a"},
		{"x.y:port/a", "'x.y:port': not a registry: expected host[:port]"},
		{"x.y/a:.t", "'.t': not a tag"},
		{"x.y/a@sha256:1", "'sha256:1': not a sha256 digest"},
		{HEX, "'" HEX "': an image ID is not a name"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reference r;
		struct error e = {0};
		CHECK(reference_parse(&r, cases[i].text, &e) == -1);
		if (strcmp(e.text, cases[i].says) == 0)
			continue;
		fprintf(stderr, "%s: %s\n", cases[i].text, e.text);
		failures++;
	}
}

static void test_registries(void)
{
	static const struct {
		const char *text, *registry;
	} good[] = {
		{"docker.io", "docker.io"},
		{"index.docker.io", "docker.io"},
		{"registry-1.docker.io", "docker.io"},
		{"https://index.docker.io/v1/", "docker.io"},
		{"localhost", "localhost"},
		{"localhost:5000", "localhost:5000"},
		{"r.example.com:443", "r.example.com:443"},
		{"http://r.example.com:5000/", "r.example.com:5000"},
		{"https://r.example.com/v2/a", "r.example.com"},
		{"[::1]:5000", "[::1]:5000"},
		{"[fe80::1]", "[fe80::1]"},
		{"Host-1", "Host-1"},
	};
	static const char *const bad[] = {"", "a/b", "r.example.com/", "https://", "https:///x", "a b",
					  "a_b", "-a", ".a", "a:", "a:b", "a:123456", "[::1", "[]",
					  "[::1]5", "user@host", "a\n"};
	struct reference r;
	struct error e;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		CHECK(reference_parse_registry(&r, good[i].text, &e) == 0);
		CHECK(strcmp(r.registry, good[i].registry) == 0);
		CHECK(!*r.repository && !*r.tag && !digest_is_set(&r.digest));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e = (struct error){0};
		CHECK(reference_parse_registry(&r, bad[i], &e) == -1 && e.status == STATUS_USAGE && *e.text);
	}
	char longer[600];
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	CHECK(reference_parse_registry(&r, longer, &e) == -1);
}

static void test_names(void)
{
	CHECK(layout_name_matches("debian", "docker.io/library/debian:latest"));
	CHECK(layout_name_matches("docker.io/library/debian:12", "debian:12"));
	CHECK(layout_name_matches("me/x", "docker.io/me/x:latest"));
	CHECK(layout_name_matches("localhost:5000/x", "localhost:5000/x:latest"));
	CHECK(!layout_name_matches("debian", "debian:12"));
	CHECK(!layout_name_matches("x/debian", "debian"));
}

#define DESCRIPTOR(type) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":3}"

static int parse(struct manifest *m, const char *text)
{
	struct error e = {0};
	int rc = manifest_parse(m, "test", text, strlen(text), &e);
	CHECK(rc == 0 || e.status == STATUS_DATA);
	return rc;
}

static void test_manifests(void)
{
	struct manifest m;
	CHECK(parse(&m, "{\"config\":" DESCRIPTOR(MEDIA_TYPE_CONFIG) ",\"layers\":["
			DESCRIPTOR("x") "," DESCRIPTOR("y") "]}") == 0);
	CHECK(!m.is_index && m.has_config && m.count == 2 && manifest_is_image(&m));
	CHECK(m.config.kind == KIND_CONFIG && m.items[1].kind == KIND_LAYER && m.items[1].size == 3);
	CHECK(strcmp(m.media_type, MEDIA_TYPE_MANIFEST) == 0);
	manifest_release(&m);
	CHECK(parse(&m, "{\"mediaType\":\"" MEDIA_TYPE_INDEX "\",\"manifests\":["
			DESCRIPTOR(MEDIA_TYPE_INDEX) "," DESCRIPTOR(MEDIA_TYPE_MANIFEST) "]}") == 0);
	CHECK(m.is_index && m.items[0].kind == KIND_INDEX && m.items[1].kind == KIND_MANIFEST);
	manifest_release(&m);
	CHECK(parse(&m, "{\"manifests\":null}") == 0 && m.is_index && m.count == 0);
	manifest_release(&m);
	static const char *const bad[] = {
		"", "null", "[]", "{}", "3", "{\"layers\":[]}", "{\"config\":{},\"layers\":[]}",
		"{\"mediaType\":\"text/html\",\"manifests\":[]}", "{\"manifests\":[1]}",
		"{\"manifests\":[{\"digest\":\"sha256:" HEX "\",\"size\":-1}]}",
		"{\"manifests\":[{\"digest\":\"sha256:" HEX "\",\"size\":1e30}]}",
		"{\"manifests\":[{\"digest\":\"sha512:" HEX "\",\"size\":1}]}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK(parse(&m, bad[i]) == -1);
		manifest_release(&m);
	}
}

int main(void)
{
	test_clean();
	test_error_is_cut();
	test_digest();
	test_references();
	test_reference_errors();
	test_registries();
	test_names();
	test_manifests();
	return failures != 0;
}
