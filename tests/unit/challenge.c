/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate in the shapes that registries and proxies send. */
#include "challenge.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *text, *scheme, *realm, *service, *scope; /* of the challenge to answer */
	size_t count;
} cases[] = {
	{"Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"", "bearer",
	 "https://a/t", "s", "repository:x:pull,push", 1},
	{"bearer REALM = \"https://a/t?x=1,2\" , Service=s", "bearer", "https://a/t?x=1,2", "s", "", 1},
	{"Basic realm=\"r\", Bearer realm=\"https://a\",scope=\"b c\"", "bearer", "https://a", "", "b c",
	 2},
	{"Basic realm=\"r\"\nBearer realm=\"https://a\"", "bearer", "https://a", "", "", 2},
	{"Negotiate, Basic realm=\"the \\\"r\\\", x\"", "basic", "the \"r\", x", "", "", 2},
	{"Negotiate YII+/abc==, Basic realm=r", "basic", "r", "", "", 2},
	{"NTLM abc=\nBasic", "basic", "", "", "", 2},
	{"Digest nonce=\"a,b\", qop=auth, Basic realm=x, charset=\"UTF-8\"", "basic", "x", "", "", 2},
	{"Basic realm=\"\"", "basic", "", "", "", 1},
	{"Bearer realm=https://a/t,error=\"invalid_token\"", "bearer", "https://a/t", "", "", 1},
	{"Bearer realm=\"unterminated", "bearer", "unterminated", "", "", 1},
	{"Bearer, Basic realm=x", "basic", "x", "", "", 2},
	{",, ,Basic realm=x,,", "basic", "x", "", "", 1},
	{"\"quoted\" ; Basic realm=x", "basic", "x", "", "", 2},
	{"Negotiate\nBearer realm=\"https://a\"", "bearer", "https://a", "", "", 2},
	{"Negotiate\r\nBasic realm=x", "basic", "x", "", "", 2},
	{"Bearer realm=\"open\nBasic realm=x", "bearer", "open", "", "", 2},
	{"Bearer\nBasic realm=x", "basic", "x", "", "", 2},
	{"Bearer realm=\"https://a/t\", error=\"insufficient_scope\", scope=\"aws\"", "bearer",
	 "https://a/t", "", "aws", 1},
};

static int check(size_t i)
{
	struct challenge list[CHALLENGE_MAX];
	size_t count = challenge_parse(cases[i].text, list);
	const struct challenge *c = challenge_choose(list, count);
	if (c && count == cases[i].count && strcmp(c->scheme, cases[i].scheme) == 0 &&
	    strcmp(c->realm, cases[i].realm) == 0 && strcmp(c->service, cases[i].service) == 0 &&
	    strcmp(c->scope, cases[i].scope) == 0)
		return 0;
	fprintf(stderr, "%s: %zu challenges, %s realm '%s' service '%s' scope '%s'\n", cases[i].text,
		count, c ? c->scheme : "none", c ? c->realm : "", c ? c->service : "",
		c ? c->scope : "");
	return 1;
}

int main(void)
{
	struct challenge list[CHALLENGE_MAX];
	int failures = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		failures += check(i);
	char longer[8000] = "Bearer realm=\"";
	memset(longer + 14, 'a', 4000);
	strcat(longer, "\", Basic realm=x");
	if (challenge_parse(longer, list) != 1 || strcmp(list[0].scheme, "basic") != 0)
		failures++, fprintf(stderr, "a realm that is too long\n");
	strcpy(longer, "Bearer realm=\"https://a\", error_description=\"");
	size_t used = strlen(longer);
	memset(longer + used, 'a', 4000);
	strcpy(longer + used + 4000, "\", Basic realm=\"");
	used = strlen(longer);
	memset(longer + used, 'a', 2000);
	strcpy(longer + used + 2000, "\"");
	if (challenge_parse(longer, list) != 2 || strcmp(list[0].realm, "https://a") != 0 ||
	    strcmp(list[1].scheme, "basic") != 0 || *list[1].realm)
		failures++, fprintf(stderr, "what is too long and not needed\n");
	if (challenge_parse("", list) || challenge_parse("===\"", list) > 1)
		failures++, fprintf(stderr, "nothing\n");
	if (challenge_parse("a b, c d, e f, g h, i j, k l, m n, o p, q r, s t", list) != CHALLENGE_MAX)
		failures++, fprintf(stderr, "too many\n");
	return failures != 0;
}
