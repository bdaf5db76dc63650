/* SPDX-License-Identifier: Apache-2.0 */
#include "location.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct origin {
	bool is_https;
	char host[256]; /* with the brackets of an IPv6 address */
	int port;	/* the scheme's default where none is written */
};

/* The part of URL behind "scheme://"; NULL where it is neither http nor https. */
static const char *authority(const char *url, bool *is_https)
{
	*is_https = strncasecmp(url, "https://", 8) == 0;
	if (*is_https)
		return url + 8;
	return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

/* Splits "host[:port]" of LEN bytes. Returns 0, or -1 where it is none. */
static int parse_host(const char *text, size_t len, int default_port, struct origin *o)
{
	const char *end = text + len;
	const char *bracket = len && *text == '[' ? memchr(text, ']', len) : NULL;
	const char *from = bracket ? bracket + 1 : text;
	const char *colon = memchr(from, ':', (size_t)(end - from));
	size_t host_len = (size_t)((colon ? colon : end) - text);
	if (host_len == 0 || host_len >= sizeof o->host || memchr(text, '@', len))
		return -1;
	memcpy(o->host, text, host_len);
	o->host[host_len] = '\0';
	o->port = default_port;
	if (!colon || colon + 1 == end)
		return 0;
	size_t digits = strspn(colon + 1, "0123456789");
	if (colon + 1 + digits != end || digits > 5)
		return -1;
	o->port = atoi(colon + 1);
	return 0;
}

/* Returns the path and query of an absolute URL, or NULL where it is not one. */
static const char *parse_origin(const char *url, struct origin *o)
{
	const char *host = authority(url, &o->is_https);
	if (!host)
		return NULL;
	size_t len = strcspn(host, "/?");
	return parse_host(host, len, o->is_https ? 443 : 80, o) ? NULL : host + len;
}

static bool is_same(const struct origin *a, const struct origin *b)
{
	return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* Cuts the last segment of the path that ends at TO. */
static char *parent(char *path, char *to)
{
	while (to > path && *--to != '/')
		;
	return to;
}

/* RFC 3986, 5.2.4, in place; PATH begins with a slash and may have a query, which stays. */
static void remove_dots(char *path)
{
	char *from = path, *to = path;
	char *end = path + strcspn(path, "?");
	while (from < end) {
		size_t len = 1 + strcspn(from + 1, "/?");
		bool is_last = from + len == end;
		if (len == 2 && from[1] == '.') {
			if (is_last)
				*to++ = '/';
		} else if (len == 3 && from[1] == '.' && from[2] == '.') {
			to = parent(path, to);
			if (is_last)
				*to++ = '/';
		} else {
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	memmove(to, end, strlen(end) + 1);
}

static int check(const char *location, struct error *e)
{
	for (const char *p = location; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\')
			return error_set(e, STATUS_FAILED, "Location '%.200s': not a URL", location);
	return *location ? 0 : error_set(e, STATUS_FAILED, "Location is empty");
}

/* "host[:port]/path" of the host that BASE names: a Location that lost its scheme. */
static bool is_without_scheme(const struct origin *base, const char *location)
{
	struct origin o = {0};
	size_t len = strcspn(location, "/?");
	return location[len] == '/' &&
	       parse_host(location, len, base->is_https ? 443 : 80, &o) == 0 && is_same(base, &o);
}

/* A http:// URL where the request was https: the same host is meant with https. */
static int upgrade(const struct origin *base, const char *location, char out[LOCATION_SIZE],
		   struct error *e)
{
	struct origin o = {0};
	const char *path = parse_origin(location, &o);
	if (strcasecmp(base->host, o.host) != 0)
		return error_set(e, STATUS_FAILED,
				 "Location '%.200s': refused: it leaves https for another host", location);
	int port = o.port == 80 ? base->port : o.port;
	char suffix[16] = "";
	if (port != 443)
		snprintf(suffix, sizeof suffix, ":%d", port);
	int n = snprintf(out, LOCATION_SIZE, "https://%s%s%s", o.host, suffix, path);
	return n >= 0 && n < LOCATION_SIZE ? 0 : error_set(e, STATUS_FAILED, "Location too long");
}

/* The length of what of BASE stands before the relative LOCATION. */
static size_t kept(const char *base, const char *path, const char *location)
{
	size_t query = (size_t)(path - base) + strcspn(path, "?");
	if (*location == '/')
		return (size_t)(path - base);
	if (*location == '?')
		return query;
	while (query > (size_t)(path - base) && base[query - 1] != '/')
		query--;
	return query;
}

/* LOCATION made absolute, whatever its form. */
static int join(const char *base, const char *location, char out[LOCATION_SIZE], struct error *e)
{
	struct origin b = {0};
	const char *path = parse_origin(base, &b);
	if (!path)
		return error_set(e, STATUS_FAILED, "'%.200s': not a URL", base);
	const char *scheme = b.is_https ? "https" : "http";
	bool is_https;
	bool is_relative = false;
	int n;
	if (authority(location, &is_https))
		n = snprintf(out, LOCATION_SIZE, "%s", location);
	else if (strncmp(location, "//", 2) == 0)
		n = snprintf(out, LOCATION_SIZE, "%s:%s", scheme, location);
	else if (is_without_scheme(&b, location))
		n = snprintf(out, LOCATION_SIZE, "%s://%s", scheme, location);
	else {
		size_t keep = kept(base, path, location);
		const char *slash = keep == (size_t)(path - base) && *location != '/' ? "/" : "";
		n = snprintf(out, LOCATION_SIZE, "%.*s%s%s", (int)keep, base, slash, location);
		is_relative = true;
	}
	if (n < 0 || n >= LOCATION_SIZE)
		return error_set(e, STATUS_FAILED, "Location too long");
	out[strcspn(out, "#")] = '\0';
	if (is_relative)
		remove_dots(out + (path - base));
	return 0;
}

static bool has_other_scheme(const char *location)
{
	const char *sign = strstr(location, "://");
	bool is_https;
	return sign && strcspn(location, "/?#") > (size_t)(sign - location) &&
	       !authority(location, &is_https);
}

int location_resolve(const char *base, const char *location, char out[LOCATION_SIZE],
		     bool *is_upgraded, struct error *e)
{
	struct origin b = {0}, o = {0};
	char absolute[LOCATION_SIZE];
	*is_upgraded = false;
	if (check(location, e))
		return -1;
	if (has_other_scheme(location))
		return error_set(e, STATUS_FAILED, "Location '%.200s': neither http nor https",
				 location);
	if (join(base, location, absolute, e))
		return -1;
	if (!parse_origin(base, &b) || !parse_origin(absolute, &o))
		return error_set(e, STATUS_FAILED, "Location '%.200s': not a URL", location);
	if (b.is_https && !o.is_https) {
		*is_upgraded = true;
		return upgrade(&b, absolute, out, e);
	}
	memcpy(out, absolute, strlen(absolute) + 1);
	return 0;
}

int location_append_digest(const char *url, const struct digest *digest, char out[LOCATION_SIZE],
			   struct error *e)
{
	const char *query = strchr(url, '?');
	const char *joint = !query ? "?" : query[1] ? "&" : "";
	int n = snprintf(out, LOCATION_SIZE, "%s%sdigest=%s", url, joint, digest->text);
	return n >= 0 && n < LOCATION_SIZE ? 0 : error_set(e, STATUS_FAILED, "Location too long");
}

bool location_same_host(const char *a, const char *b)
{
	struct origin first = {0}, second = {0};
	return parse_origin(a, &first) && parse_origin(b, &second) && is_same(&first, &second);
}

static bool is_loopback_name(const char *host)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(host);
	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	if (len > sizeof suffix - 1 && strcasecmp(host + len - (sizeof suffix - 1), suffix) == 0)
		return true;
	/* A name such as 127.example.com is not of the network. */
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}

bool location_is_loopback_host(const char *host)
{
	struct origin o = {0};
	return parse_host(host, strlen(host), 443, &o) == 0 && is_loopback_name(o.host);
}

bool location_is_loopback(const char *url)
{
	struct origin o = {0};
	return parse_origin(url, &o) && is_loopback_name(o.host);
}

static bool is_public(const char *name, size_t len)
{
	static const char *const names[] = {"digest", "mount", "from"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

void location_redact(const char *url, char out[LOCATION_SIZE])
{
	size_t used = strcspn(url, "?");
	size_t room = LOCATION_SIZE - 1;
	const char *part = url + used;
	snprintf(out, LOCATION_SIZE, "%.*s", (int)used, url);
	used = strlen(out);
	while (*part) {
		size_t len = 1 + strcspn(part + 1, "&");
		size_t name = strcspn(part, "=");
		bool is_secret = name >= len || !is_public(part + 1, name - 1);
		/* A part without "=" is a value too. */
		size_t shown = !is_secret ? len : name < len ? name + 1 : 1;
		int n = snprintf(out + used, room - used, "%.*s%s", (int)shown, part,
				 is_secret ? "..." : "");
		if (n < 0 || (size_t)n >= room - used)
			return;
		used += (size_t)n;
		part += len;
	}
}

void location_plain(const char *url, char out[LOCATION_SIZE])
{
	snprintf(out, LOCATION_SIZE, "%.*s", (int)strcspn(url, "?"), url);
}
