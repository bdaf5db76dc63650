/* SPDX-License-Identifier: Apache-2.0 */
/* Which entry of a config is a repository's: names of Docker Hub, default ports, broken base64. */
#include "credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define U1 "{\"auth\":\"dTpvbmU=\"}" /* u:one */
#define U2 "{\"auth\":\"dTp0d28=\"}" /* u:two */

static const struct {
	const char *auths, *repository;
	enum credential_kind kind;
	const char *user, *secret;
} cases[] = {
	{"\"https://index.docker.io/v1/\":" U1, "debian", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"docker.io\":" U1, "me/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"index.docker.io\":" U1, "docker.io/me/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"registry-1.docker.io\":" U1, "me/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"docker.io/me\":" U2 ",\"https://index.docker.io/v1/\":" U1, "me/x", CREDENTIAL_PASSWORD, "u",
	 "two"},
	{"\"docker.io/library\":" U2, "debian", CREDENTIAL_PASSWORD, "u", "two"},
	{"\"hub.docker.io\":" U1, "me/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io:443\":" U1, "r.io/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"r.io\":" U1, "r.io:443/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"r.io:80\":" U1, "r.io/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io\":" U1, "r.io:5000/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io\":" U1, "r.iox/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io\":" U1, "x.r.io/x", CREDENTIAL_NONE, "", ""},
	{"\"http://r.io/v2/\":" U1 ",\"r.io\":" U2, "r.io/x", CREDENTIAL_PASSWORD, "u", "two"},
	{"\"r.io/\":" U1, "r.io/x", CREDENTIAL_NONE, "", ""},
	{"\"[::1]:5000\":" U1, "[::1]:5000/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"r.io\":{\"auth\":\"dTpvbmU\"}", "r.io/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"r.io\":{\"auth\":\"dTpv\\nbmU=\\n\"}", "r.io/x", CREDENTIAL_PASSWORD, "u", "one"},
	{"\"r.io\":{\"auth\":\"dTo=\"}", "r.io/x", CREDENTIAL_PASSWORD, "u", ""},
	{"\"r.io\":{\"auth\":\"OnA=\"}", "r.io/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io\":{\"auth\":\"dTpvbmU=\",\"identitytoken\":\"t\"}", "r.io/x",
	 CREDENTIAL_IDENTITY_TOKEN, "u", "t"},
	{"\"r.io\":{\"auth\":\"dTpvbmU=\",\"identitytoken\":\"\"}", "r.io/x", CREDENTIAL_PASSWORD, "u",
	 "one"},
	{"\"r.io\":{\"registrytoken\":\"b\",\"identitytoken\":\"t\"}", "r.io/x",
	 CREDENTIAL_REGISTRY_TOKEN, "", "b"},
	{"\"r.io\":{\"email\":\"e\",\"serveraddress\":\"s\"}", "r.io/x", CREDENTIAL_NONE, "", ""},
	{"\"r.io\":null,\"\":" U1, "r.io/x", CREDENTIAL_NONE, "", ""},
};

static void check(size_t i)
{
	char config[1000];
	struct reference r;
	struct error e = {0};
	struct credential c;
	snprintf(config, sizeof config, "{\"auths\":{%s}}", cases[i].auths);
	setenv("DOCKER_AUTH_CONFIG", config, 1);
	if (reference_parse(&r, cases[i].repository, &e) == 0 && credential_find(&r, &c, &e) == 0 &&
	    c.kind == cases[i].kind && strcmp(c.user, cases[i].user) == 0 &&
	    strcmp(c.secret, cases[i].secret) == 0)
		return;
	fprintf(stderr, "%s for %s: kind %d, '%s' '%s'\n", config, cases[i].repository, (int)c.kind,
		c.user, c.secret);
	failures++;
}

/* Secrets of the size that clouds give out, and what is too large for us. */
static void check_sizes(void)
{
	static char config[64 * 1024];
	static const size_t sizes[] = {4096, CREDENTIAL_SECRET_SIZE - 1, CREDENTIAL_SECRET_SIZE, 40000};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct reference r;
		struct error e = {0};
		struct credential c;
		size_t begin = (size_t)snprintf(config, sizeof config,
						"{\"auths\":{\"r.io\":{\"username\":\"u\",\"password\":\"");
		memset(config + begin, 'x', sizes[i]);
		strcpy(config + begin + sizes[i], "\"}}}");
		setenv("DOCKER_AUTH_CONFIG", config, 1);
		bool fits = sizes[i] < CREDENTIAL_SECRET_SIZE;
		if (reference_parse(&r, "r.io/x", &e) || credential_find(&r, &c, &e) ||
		    (c.kind == CREDENTIAL_PASSWORD) != fits || strlen(c.secret) != (fits ? sizes[i] : 0)) {
			fprintf(stderr, "a secret of %zu bytes\n", sizes[i]);
			failures++;
		}
	}
}

int main(void)
{
	setenv("HOME", "/nonexistent", 1);
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("DOCKER_CONFIG");
	unsetenv("REGISTRY_AUTH_FILE");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(i);
	check_sizes();
	return failures != 0;
}
