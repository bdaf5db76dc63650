/* SPDX-License-Identifier: Apache-2.0 */
#include "location.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return;
	printf("%s: got '%s', want '%s'\n", what, got, want);
	failures++;
}

struct resolve_case {
	const char *base, *location, *want; /* want "" : refused */
	bool is_upgraded;
};

#define SESSION "https://reg.example/v2/a/b/blobs/uploads/"

static const struct resolve_case resolve_cases[] = {
	/* absolute */
	{SESSION, "https://reg.example/v2/a/b/blobs/uploads/u?x=1", "https://reg.example/v2/a/b/blobs/uploads/u?x=1", 0},
	{SESSION, "https://reg.example:443/u", "https://reg.example:443/u", 0},
	{SESSION, "https://reg.example:5000/u", "https://reg.example:5000/u", 0},
	{SESSION, "https://other.example/u?sig=a%2Fb%3d&z=1&a=2", "https://other.example/u?sig=a%2Fb%3d&z=1&a=2", 0},
	{SESSION, "HTTPS://reg.example/u", "HTTPS://reg.example/u", 0},
	{"http://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/u", "http://127.0.0.1:5000/u", 0},
	{"http://127.0.0.1:5000/v2/", "https://127.0.0.1:5001/u", "https://127.0.0.1:5001/u", 0},
	/* a path */
	{SESSION, "/v2/a/b/blobs/uploads/u?_state=x%2F", "https://reg.example/v2/a/b/blobs/uploads/u?_state=x%2F", 0},
	{"https://reg.example:8443/v2/", "/u", "https://reg.example:8443/u", 0},
	{SESSION "u?old=1", "/n?new=/../2", "https://reg.example/n?new=/../2", 0},
	{"https://reg.example", "/u", "https://reg.example/u", 0},
	/* relative */
	{SESSION, "u?_state=1", "https://reg.example/v2/a/b/blobs/uploads/u?_state=1", 0},
	{SESSION "old?_state=/1", "new?_state=2", "https://reg.example/v2/a/b/blobs/uploads/new?_state=2", 0},
	{SESSION, "../upload/u", "https://reg.example/v2/a/b/blobs/upload/u", 0},
	{SESSION, "./u", "https://reg.example/v2/a/b/blobs/uploads/u", 0},
	{SESSION, "../../../../../../../u", "https://reg.example/u", 0},
	{SESSION, "..", "https://reg.example/v2/a/b/blobs/", 0},
	{SESSION "u?a=1", "?b=2", "https://reg.example/v2/a/b/blobs/uploads/u?b=2", 0},
	{SESSION, "u:1/x", "https://reg.example/v2/a/b/blobs/uploads/u:1/x", 0},
	{"https://reg.example", "u", "https://reg.example/u", 0},
	/* without a scheme */
	{SESSION, "reg.example/v2/u?a=1", "https://reg.example/v2/u?a=1", 0},
	{SESSION, "reg.example:443/v2/u", "https://reg.example:443/v2/u", 0},
	{SESSION, "REG.example/v2/u", "https://REG.example/v2/u", 0},
	{"http://127.0.0.1:5000/v2/x", "127.0.0.1:5000/v2/u", "http://127.0.0.1:5000/v2/u", 0},
	{"http://[::1]:5000/v2/x", "[::1]:5000/v2/u", "http://[::1]:5000/v2/u", 0},
	{SESSION, "//reg.example/u", "https://reg.example/u", 0},
	{SESSION, "//other.example/u", "https://other.example/u", 0},
	/* a proxy that lost https */
	{SESSION, "http://reg.example/u?a=b", "https://reg.example/u?a=b", 1},
	{SESSION, "http://reg.example:80/u", "https://reg.example/u", 1},
	{SESSION, "http://reg.example:443/u", "https://reg.example/u", 1},
	{"https://reg.example:8443/v2/", "http://reg.example/u", "https://reg.example:8443/u", 1},
	{"https://reg.example:8443/v2/", "http://REG.example:8443/u", "https://REG.example:8443/u", 1},
	{"https://[::1]:8443/v2/", "http://[::1]:8443/u", "https://[::1]:8443/u", 1},
	/* a fragment is ours, not the server's */
	{SESSION, "/u?a=1#x", "https://reg.example/u?a=1", 0},
	/* refused */
	{SESSION, "http://other.example/u", "", 0},
	{SESSION, "ftp://reg.example/u", "", 0},
	{SESSION, "file:///etc/passwd", "", 0},
	{SESSION, "https://user:secret@reg.example/u", "", 0},
	{SESSION, "//user@reg.example/u", "", 0},
	{SESSION, "https:///u", "", 0},
	{SESSION, "https://reg.example:port/u", "", 0},
	{SESSION, "/u\r\nHost: x", "", 0},
	{SESSION, "/u u", "", 0},
	{SESSION, "\\\\reg\\u", "", 0},
	{SESSION, "", "", 0},
};

static void test_resolve(void)
{
	for (size_t i = 0; i < sizeof resolve_cases / sizeof *resolve_cases; i++) {
		const struct resolve_case *c = &resolve_cases[i];
		char out[LOCATION_SIZE] = "";
		bool is_upgraded;
		struct error e = {0};
		if (location_resolve(c->base, c->location, out, &is_upgraded, &e))
			out[0] = '\0';
		check(c->location, out, c->want);
		check("upgraded", is_upgraded && *out ? "yes" : "no", c->is_upgraded ? "yes" : "no");
	}
}

static void test_length(void)
{
	static char longest[LOCATION_SIZE + 100];
	char out[LOCATION_SIZE];
	bool is_upgraded;
	struct error e = {0};
	struct digest d;
	memset(longest, 'x', sizeof longest - 1);
	longest[0] = '/';
	if (location_resolve(SESSION, longest, out, &is_upgraded, &e) == 0)
		check("too long", "taken", "refused");
	longest[LOCATION_SIZE - 60] = '\0';
	digest_of(&d, "", 0);
	if (location_resolve(SESSION, longest, out, &is_upgraded, &e))
		check("long", e.text, "taken");
	if (location_append_digest(out, &d, longest, &e) == 0)
		check("too long with a digest", "taken", "refused");
}

static void test_digest(void)
{
	struct digest d;
	struct error e = {0};
	char out[LOCATION_SIZE];
	digest_of(&d, "", 0);
#define D "digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	static const char *const cases[][2] = {
		{"https://h/u", "https://h/u?" D},
		{"https://h/u?", "https://h/u?" D},
		{"https://h/u?_state=b%2fA==&a", "https://h/u?_state=b%2fA==&a&" D},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (location_append_digest(cases[i][0], &d, out, &e))
			snprintf(out, sizeof out, "%s", e.text);
		check("append", out, cases[i][1]);
	}
}

static void test_hosts(void)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} cases[] = {
		{"https://h/a", "https://h:443/b", true},
		{"http://h/a", "http://h:80/b", true},
		{"https://H/a", "https://h?x", true},
		{"https://h/a", "http://h/a", false},
		{"https://h:5000/a", "http://h:5000/a", true},
		{"https://h:5000/a", "https://h:5001/a", false},
		{"https://h/a", "https://h.example/a", false},
		{"https://[::1]:1/a", "https://[::1]:1/b", true},
		{"h/a", "h/a", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(cases[i].b, location_same_host(cases[i].a, cases[i].b) ? "same" : "other",
		      cases[i].is_same ? "same" : "other");
}

static void test_loopback(void)
{
	static const char *const yes[] = {"localhost",	   "localhost:5000", "LOCALHOST", "a.localhost",
					  "127.0.0.1:5000", "127.1.2.3",      "[::1]",	   "[::1]:443"};
	static const char *const no[] = {"reg.example",	     "localhost.example", "127.example.com:80",
					 "127.0.0.1.nip.io", "[::2]",		  "notlocalhost",
					 "10.0.0.1",	     ".localhost",	  ""};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		check(yes[i], location_is_loopback_host(yes[i]) ? "yes" : "no", "yes");
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		check(no[i], location_is_loopback_host(no[i]) ? "yes" : "no", "no");
	check("url", location_is_loopback("http://127.0.0.1:1/x?y") ? "yes" : "no", "yes");
	check("url", location_is_loopback("http://reg.example/127.0.0.1") ? "yes" : "no", "no");
}

static void test_redact(void)
{
	static const char *const cases[][2] = {
		{"https://h/u", "https://h/u"},
		{"https://h/u?_state=secret&digest=sha256:1&x=2",
		 "https://h/u?_state=...&digest=sha256:1&x=..."},
		{"https://h/u?mount=a&from=b", "https://h/u?mount=a&from=b"},
		{"https://h/u?token", "https://h/u?..."},
		{"https://h/u?a=b=c&bare&from=r", "https://h/u?a=...&...&from=r"},
		{"https://h/u?notdigest=1&digestx=2", "https://h/u?notdigest=...&digestx=..."},
		{"https://h/u?", "https://h/u?..."},
	};
	char out[LOCATION_SIZE];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		location_redact(cases[i][0], out);
		check("redact", out, cases[i][1]);
	}
	location_plain("https://h/u?secret=1", out);
	check("plain", out, "https://h/u");
}

int main(void)
{
	test_resolve();
	test_length();
	test_digest();
	test_hosts();
	test_loopback();
	test_redact();
	return failures != 0;
}
