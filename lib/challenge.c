/* SPDX-License-Identifier: Apache-2.0 */
#include "challenge.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { VALUE_SIZE = 1024 };

/* What is read, and the list that it becomes. */
struct parser {
	const char *at;
	struct challenge *list;
	size_t count;
	bool is_bad[CHALLENGE_MAX]; /* a parameter did not fit */
};

static bool is_token_char(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_space(const char *text)
{
	while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')
		text++;
	return text;
}

/* Reads a run of token characters; VALUE gets it in lower case. */
static size_t read_token(struct parser *p, char *value, size_t size)
{
	size_t len = 0;
	while (is_token_char(p->at[len])) {
		if (len < size - 1)
			value[len] = (char)tolower((unsigned char)p->at[len]);
		len++;
	}
	value[len < size ? len : size - 1] = '\0';
	p->at += len;
	return len;
}

/* Reads a value, quoted or not; returns whether it fits. A line ends a quoted one too. */
static bool read_value(struct parser *p, char value[VALUE_SIZE])
{
	size_t len = 0;
	bool is_quoted = *p->at == '"';
	p->at += is_quoted;
	while (*p->at && !strchr(is_quoted ? "\"\r\n" : ", \t\r\n", *p->at)) {
		if (is_quoted && *p->at == '\\' && p->at[1])
			p->at++;
		if (len < VALUE_SIZE)
			value[len] = *p->at;
		len++;
		p->at++;
	}
	p->at += is_quoted && *p->at == '"';
	value[len < VALUE_SIZE ? len : VALUE_SIZE - 1] = '\0';
	return len < VALUE_SIZE;
}

/* Returns false for a parameter of ours whose value does not fit: it stays empty. */
static bool set_parameter(struct challenge *c, const char *name, const char *value, bool fits)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} parameters[] = {
		{"realm", c->realm, sizeof c->realm},
		{"service", c->service, sizeof c->service},
		{"scope", c->scope, sizeof c->scope},
	};
	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
		if (strcmp(name, parameters[i].name) != 0)
			continue;
		size_t len = strlen(value);
		if (!fits || len >= parameters[i].size)
			return false;
		memcpy(parameters[i].to, value, len + 1);
	}
	return true;
}

/* Passes over a token68 (RFC 9110, 11.2), which some schemes have in place of parameters: it is
 * followed by a comma or the end of the line. */
static void skip_token68(struct parser *p)
{
	const char *start = p->at + strspn(p->at, " \t"), *end = start;
	while (*end && (isalnum((unsigned char)*end) || strchr("-._~+/", *end)))
		end++;
	end += strspn(end, "=");
	const char *rest = end + strspn(end, " \t");
	if (end > start && (!*rest || strchr(",\r\n", *rest)))
		p->at = end;
}

static void read_item(struct parser *p)
{
	char name[32], value[VALUE_SIZE];
	if (read_token(p, name, sizeof name) == 0) {
		p->at++;
		return;
	}
	const char *next = p->at + strspn(p->at, " \t");
	if (*next == '=' && p->count > 0) {
		p->at = next + 1 + strspn(next + 1, " \t");
		bool fits = read_value(p, value);
		if (!set_parameter(&p->list[p->count - 1], name, value, fits))
			p->is_bad[p->count - 1] = true;
		return;
	}
	if (p->count == CHALLENGE_MAX) {
		p->at = "";
		return;
	}
	struct challenge *c = &p->list[p->count++];
	memset(c, 0, sizeof *c);
	memcpy(c->scheme, name, sizeof name);
	skip_token68(p);
}

size_t challenge_parse(const char *text, struct challenge list[CHALLENGE_MAX])
{
	struct parser p = {.at = text, .list = list};
	size_t good = 0;
	for (;;) {
		p.at = skip_space(p.at);
		if (!*p.at)
			break;
		if (*p.at == ',')
			p.at++;
		else
			read_item(&p);
	}
	for (size_t i = 0; i < p.count; i++) {
		if (p.is_bad[i] && strcmp(list[i].scheme, "bearer") == 0)
			continue;
		if (good != i)
			list[good] = list[i];
		good++;
	}
	return good;
}

const struct challenge *challenge_choose(const struct challenge *list, size_t count)
{
	static const char *const schemes[] = {"bearer", "basic"};
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; i < count; i++)
			if (strcmp(list[i].scheme, schemes[s]) == 0 && (s == 1 || *list[i].realm))
				return &list[i];
	return NULL;
}
