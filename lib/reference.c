/* SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUB "docker.io"

enum { PORT_MAX = 65535 };

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

static bool has_upper(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (isupper((unsigned char)text[i]))
			return true;
	return false;
}

/* The first component is a registry if it could be no repository of Docker Hub. */
static bool is_registry(const char *text, size_t len)
{
	return memchr(text, '.', len) || memchr(text, ':', len) || has_upper(text, len) ||
	       (len == 9 && memcmp(text, "localhost", 9) == 0);
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	return len > 0 && len <= 5 && text[len] == '\0' && strtol(text, NULL, 10) <= PORT_MAX;
}

/* "localhost:5000" or "r.example.com:5000": by the grammar a name of Docker Hub with a tag, and never
 * meant as one. */
static bool is_registry_alone(const char *text)
{
	size_t len = strcspn(text, ":/@");
	if (*text == '[')
		return !strchr(text, '/');
	bool is_host = memchr(text, '.', len) || strncmp(text, "localhost:", 10) == 0;
	return is_host && text[len] == ':' && is_port(text + len + 1);
}

static int check_registry(const char *registry, struct error *e)
{
	const char *rest = registry;
	if (*rest == '[') {
		size_t len = strspn(++rest, "0123456789abcdefABCDEF:.");
		rest += len;
		if (len == 0 || *rest++ != ']')
			return error_set(e, STATUS_USAGE, "'%s': not an IPv6 address in []", registry);
	} else {
		size_t len = strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789.-");
		if (len == 0 || *rest == '-' || *rest == '.')
			return error_set(e, STATUS_USAGE, "'%s': not a host name", registry);
		rest += len;
	}
	if (*rest && (*rest != ':' || !is_port(rest + 1)))
		return error_set(e, STATUS_USAGE, "'%s': not a registry: expected host[:port]",
				 registry);
	return 0;
}

/* One path component: runs of lower-case letters and digits, joined by '.', '_', '__' or dashes. */
static bool is_component(const char *text, size_t len)
{
	const char *end = text + len;
	while (text < end) {
		size_t run = strspn(text, lower);
		if (run == 0)
			return false;
		text += run;
		if (text >= end)
			return true;
		size_t joint = strspn(text, "-");
		if (joint == 0)
			joint = *text == '.' ? 1 : strspn(text, "_");
		if (joint == 0 || (*text == '_' && joint > 2))
			return false;
		text += joint;
	}
	return false;
}

static int check_repository(const char *repository, struct error *e)
{
	if (has_upper(repository, strlen(repository))) {
		char lowered[REFERENCE_NAME_MAX + 1];
		size_t len = 0;
		for (; len < sizeof lowered - 1 && repository[len]; len++)
			lowered[len] = (char)tolower((unsigned char)repository[len]);
		lowered[len] = '\0';
		return error_set(e, STATUS_USAGE, "'%s': a repository must be lower case: write %s",
				 repository, lowered);
	}
	for (const char *part = repository;; part++) {
		size_t len = strcspn(part, "/");
		if (!is_component(part, len))
			return error_set(e, STATUS_USAGE, "'%s': not a repository name", repository);
		part += len;
		if (!*part)
			return 0;
	}
}

bool reference_is_tag(const char *tag)
{
	size_t len = strlen(tag);
	return len > 0 && len < 129 && *tag != '.' && *tag != '-' && strspn(tag, word) > 0 &&
	       strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

/* Cuts "@digest" and ":tag" off NAME. */
static int take_suffixes(struct reference *r, char *name, struct error *e)
{
	char *at = strchr(name, '@');
	if (at) {
		*at = '\0';
		if (digest_parse(&r->digest, at + 1))
			return error_set(e, STATUS_USAGE, "'%s': not a sha256 digest", at + 1);
	}
	char *slash = strrchr(name, '/');
	char *colon = strrchr(slash ? slash : name, ':');
	if (colon) {
		*colon = '\0';
		if (!colon[1])
			return error_set(e, STATUS_USAGE, "'%.200s:': its tag is empty", name);
		if (!reference_is_tag(colon + 1))
			return error_set(e, STATUS_USAGE, "'%.200s': not a tag", colon + 1);
		snprintf(r->tag, sizeof r->tag, "%s", colon + 1);
	}
	return 0;
}

static int split(struct reference *r, const char *name, struct error *e)
{
	const char *slash = strchr(name, '/');
	bool has_registry = slash && is_registry(name, (size_t)(slash - name));
	const char *path = has_registry ? slash + 1 : name;
	snprintf(r->registry, sizeof r->registry, "%.*s",
		 has_registry ? (int)(slash - name) : (int)strlen(HUB), has_registry ? name : HUB);
	if (strcmp(r->registry, "index.docker.io") == 0)
		snprintf(r->registry, sizeof r->registry, HUB);
	bool is_official = strcmp(r->registry, HUB) == 0 && !strchr(path, '/');
	int need = snprintf(r->repository, sizeof r->repository, "%s%s",
			    is_official ? "library/" : "", path);
	if (need < 0 || (size_t)need >= sizeof r->repository)
		return error_set(e, STATUS_USAGE, "'%.100s...': name too long", name);
	return 0;
}

int reference_parse(struct reference *r, const char *text, struct error *e)
{
	*r = (struct reference){0};
	char name[REFERENCE_NAME_MAX + 1 + 130 + 80];
	if (strlen(text) >= sizeof name)
		return error_set(e, STATUS_USAGE, "'%.100s...': reference too long", text);
	snprintf(name, sizeof name, "%s", text);
	if (strstr(text, "://"))
		return error_set(e, STATUS_USAGE, "'%s': a reference has no scheme: write %s", text,
				 strstr(text, "://") + 3);
	if (is_registry_alone(text))
		return error_set(e, STATUS_USAGE, "'%s': no repository: expected registry/repository",
				 text);
	if (take_suffixes(r, name, e) || split(r, name, e) || check_registry(r->registry, e))
		return -1;
	if (!*r->repository)
		return error_set(e, STATUS_USAGE, "'%s': no repository: expected registry/repository",
				 text);
	if (strlen(r->registry) + 1 + strlen(r->repository) > REFERENCE_NAME_MAX)
		return error_set(e, STATUS_USAGE, "'%.100s...': name too long", text);
	bool is_bare_id = strlen(name) == DIGEST_HEX_LEN && strspn(name, "0123456789abcdef") == DIGEST_HEX_LEN;
	if (is_bare_id)
		return error_set(e, STATUS_USAGE, "'%s': an image ID is not a name", text);
	return check_repository(r->repository, e);
}

const char *reference_host(const struct reference *r)
{
	return strcmp(r->registry, HUB) == 0 ? "registry-1.docker.io" : r->registry;
}

int reference_parse_repository(struct reference *r, const char *text, struct error *e)
{
	if (reference_parse(r, text, e))
		return -1;
	if (*r->tag || digest_is_set(&r->digest))
		return error_set(e, STATUS_USAGE, "'%s': a repository has no tag and no digest", text);
	return 0;
}

int reference_parse_all(struct reference *r, char *const *refs, struct error *e)
{
	for (char *const *text = refs; *text; text++) {
		struct reference next;
		if (reference_parse(&next, *text, e))
			return -1;
		if (text == refs)
			*r = next;
		else if (strcmp(next.registry, r->registry) != 0 ||
			 strcmp(next.repository, r->repository) != 0)
			return error_set(e, STATUS_USAGE, "'%.200s' is of another repository than '%.200s'",
					 *text, *refs);
	}
	return 0;
}

int reference_parse_registry(struct reference *r, const char *text, struct error *e)
{
	const char *scheme = strstr(text, "://");
	const char *host = scheme ? scheme + 3 : text;
	size_t len = strcspn(host, "/");
	*r = (struct reference){0};
	if (len >= sizeof r->registry || (host[len] && !scheme))
		return error_set(e, STATUS_USAGE, "'%.100s': not a registry: expected host[:port]", text);
	snprintf(r->registry, sizeof r->registry, "%.*s", (int)len, host);
	if (strcmp(r->registry, "index.docker.io") == 0 || strcmp(r->registry, "registry-1.docker.io") == 0)
		snprintf(r->registry, sizeof r->registry, HUB);
	return check_registry(r->registry, e);
}
