/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include "buffer.h"
#include "file.h"
#include "json.h"
#include "program.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUB "docker.io"
#define HUB_KEY "https://index.docker.io/v1/" /* what docker calls Docker Hub */

enum { CONFIG_MAX = 4 << 20, NAME_SIZE = REFERENCE_NAME_MAX + 1 };

/* One source of credentials. */
struct source {
	const char *label; /* for warnings */
	json_t *root;
};

void credential_clear(struct credential *c)
{
	OPENSSL_cleanse(c, sizeof *c);
}

/* The name that helpers and docker's config have for a registry. */
static const char *key_of(const char *registry)
{
	return strcmp(registry, HUB) == 0 ? HUB_KEY : registry;
}

/* Whether A ("host[:port]") is the registry B; port 443 may be spelled out. */
static bool is_registry(const char *a, size_t len, const char *b)
{
	static const char *const hub[] = {HUB, "index.docker.io", "registry-1.docker.io"};
	static const char port[] = ":443";
	size_t b_len = strlen(b), port_len = sizeof port - 1;
	for (size_t i = 0; strcmp(b, HUB) == 0 && i < sizeof hub / sizeof *hub; i++)
		if (strlen(hub[i]) == len && strncmp(a, hub[i], len) == 0)
			return true;
	if (len > port_len && strncmp(a + len - port_len, port, port_len) == 0)
		len -= port_len;
	if (b_len > port_len && strcmp(b + b_len - port_len, port) == 0)
		b_len -= port_len;
	return len == b_len && strncmp(a, b, len) == 0;
}

/* How much of "REGISTRY/REPOSITORY" the key of an auths entry means: 0 for none, else more for the
 * more specific. A key with a scheme means its host, whatever its path. */
static size_t match(const char *key, const struct reference *r)
{
	const char *scheme = strstr(key, "://");
	const char *host = scheme ? scheme + 3 : key;
	size_t host_len = strcspn(host, "/");
	if (!is_registry(host, host_len, r->registry))
		return 0;
	const char *path = host + host_len;
	size_t path_len = strlen(path);
	if (scheme || path_len == 0)
		return scheme ? 1 : 2;
	path++;
	path_len--;
	bool is_prefix = strncmp(path, r->repository, path_len) == 0 &&
			 (r->repository[path_len] == '/' || r->repository[path_len] == '\0');
	return is_prefix && path_len ? 2 + path_len : 0;
}

/* Decodes TEXT into OUT; returns its length, or -1. */
static int decode_base64(const char *text, char *out, size_t size)
{
	char clean[CREDENTIAL_SECRET_SIZE * 4 / 3 + CREDENTIAL_USER_SIZE];
	size_t len = 0;
	int rc = -1;
	for (const char *p = text; *p; p++) {
		if (strchr(" \t\r\n=", *p))
			continue;
		if (len + 4 >= sizeof clean)
			goto out;
		clean[len++] = *p;
	}
	size_t padding = (4 - len % 4) % 4;
	for (size_t i = 0; i < padding; i++)
		clean[len++] = '=';
	if (padding == 3 || len / 4 * 3 >= size)
		goto out;
	rc = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)clean, (int)len);
	if (rc >= 0) {
		rc -= (int)padding;
		out[rc] = '\0';
	}
out:
	OPENSSL_cleanse(clean, sizeof clean);
	return rc;
}

static int set(struct credential *c, enum credential_kind kind, const char *user,
	       const char *secret)
{
	if (strlen(user) >= sizeof c->user || strlen(secret) >= sizeof c->secret)
		return -1;
	c->kind = kind;
	memmove(c->user, user, strlen(user) + 1);
	memmove(c->secret, secret, strlen(secret) + 1);
	return 1;
}

/* "user:password" in base64, split at the first colon; docker pads the password with NULs. */
static int set_auth(struct credential *c, const char *auth)
{
	char text[CREDENTIAL_USER_SIZE + CREDENTIAL_SECRET_SIZE];
	int rc = -1;
	int len = decode_base64(auth, text, sizeof text);
	char *colon = len > 0 ? strchr(text, ':') : NULL;
	if (colon && colon > text) {
		*colon = '\0';
		rc = set(c, CREDENTIAL_PASSWORD, text, colon + 1);
	}
	OPENSSL_cleanse(text, sizeof text);
	return rc;
}

/* 1 when the entry gives a credential, 0 when it is empty, -1 when it is broken. */
static int read_entry(const json_t *entry, struct credential *c)
{
	const char *auth = json_text(entry, "auth");
	const char *user = json_text(entry, "username"), *password = json_text(entry, "password");
	const char *identity = json_text(entry, "identitytoken");
	const char *registry_token = json_text(entry, "registrytoken");
	if (!json_is_object(entry))
		return -1;
	if (registry_token && *registry_token)
		return set(c, CREDENTIAL_REGISTRY_TOKEN, "", registry_token);
	if (identity && *identity) {
		/* The user, if any, is in auth; its password is not used. */
		if (auth && *auth && set_auth(c, auth) < 0)
			c->user[0] = '\0';
		return set(c, CREDENTIAL_IDENTITY_TOKEN, c->user, identity);
	}
	if (auth && *auth)
		return set_auth(c, auth);
	if (user && *user && password)
		return set(c, CREDENTIAL_PASSWORD, user, password);
	return 0;
}

/* 1 when C was filled in by the best entry that is any good. */
static int find_entry(const struct source *s, const struct reference *r, struct credential *c)
{
	json_t *auths = json_object_get(s->root, "auths");
	const char *key;
	json_t *entry;
	size_t most = 0;
	json_object_foreach(auths, key, entry) {
		struct credential one = {CREDENTIAL_NONE, "", ""};
		size_t matched = match(key, r);
		if (matched <= most)
			continue;
		int rc = read_entry(entry, &one);
		if (rc < 0)
			program_warn("%s: the entry for %s is not understood", s->label, key);
		if (rc > 0) {
			*c = one;
			most = matched;
		}
		credential_clear(&one);
	}
	return most > 0;
}

/* The helper that a config names for the registry; NULL for none. Borrowed. */
static const char *helper_of(const json_t *root, const char *registry)
{
	json_t *helpers = json_object_get(root, "credHelpers");
	const char *key;
	json_t *name;
	json_object_foreach(helpers, key, name) {
		const char *scheme = strstr(key, "://");
		const char *host = scheme ? scheme + 3 : key;
		if (json_is_string(name) && is_registry(host, strcspn(host, "/"), registry))
			return json_string_value(name);
	}
	return NULL;
}

/* 1 when the helper knew, 0 when not or when it failed (a warning), -1 when interrupted. */
static int ask_helper(const char *name, const char *key, struct credential *c, struct error *e)
{
	struct error why = {0};
	struct login login;
	int rc = name && *name ? credhelper_get(name, key, &login, &why) : 0;
	if (rc > 0 && strcmp(login.user, CREDHELPER_TOKEN) == 0)
		set(c, CREDENTIAL_IDENTITY_TOKEN, "", login.secret);
	else if (rc > 0)
		set(c, CREDENTIAL_PASSWORD, login.user, login.secret);
	OPENSSL_cleanse(&login, sizeof login);
	if (rc < 0 && why.status == STATUS_INTERRUPTED)
		return program_interrupted(e);
	if (rc < 0)
		program_warn("%s", why.text);
	return rc > 0;
}

static int find_in(const struct source *s, const struct reference *r, struct credential *c,
		   struct error *e)
{
	const char *key = key_of(r->registry);
	int rc = ask_helper(helper_of(s->root, r->registry), key, c, e);
	if (rc == 0)
		rc = ask_helper(json_text(s->root, "credsStore"), key, c, e);
	return rc ? rc : find_entry(s, r, c);
}

/* Parses a source without ever showing a part of it. */
static json_t *parse(const char *label, const struct buffer *text)
{
	struct error hidden;
	json_t *root = json_parse("", text->data, text->len, &hidden);
	if (json_is_object(root))
		return root;
	program_warn("%s: not understood (no JSON object); passed over", label);
	json_decref(root);
	return NULL;
}

/* Reads a config file. A symlink to one is fine here: it is the user's. Absent: NULL, with a warning
 * when IS_EXPECTED. */
static json_t *read_config(const char *path, bool is_expected)
{
	char real[PATH_MAX];
	struct buffer text;
	struct error why = {0};
	json_t *root = NULL;
	if (!realpath(path, real)) {
		if (is_expected || (errno != ENOENT && errno != ENOTDIR))
			program_warn("%s: %s; passed over", path, strerror(errno));
		return NULL;
	}
	buffer_init(&text, CONFIG_MAX);
	if (file_read(AT_FDCWD, real, &text, &why))
		program_warn("%s; passed over", why.text);
	else if (text.len)
		root = parse(path, &text);
	buffer_wipe(&text);
	return root;
}

static int find_in_file(const char *path, bool is_expected, const struct reference *r,
			struct credential *c, struct error *e)
{
	const struct source s = {path, read_config(path, is_expected)};
	int rc = s.root ? find_in(&s, r, c, e) : 0;
	json_decref(s.root);
	return rc;
}

static int find_in_environment(const struct reference *r, struct credential *c, struct error *e)
{
	const char *file = program_env("COG_AUTH_CONFIG");
	const char *value = program_env("DOCKER_AUTH_CONFIG");
	struct buffer text;
	struct error ignored;
	buffer_init(&text, CONFIG_MAX);
	struct source s = {"DOCKER_AUTH_CONFIG", NULL};
	if (value && buffer_append(&text, value, strlen(value), &ignored) == 0)
		s.root = parse(s.label, &text);
	else if (!value && file)
		s.root = read_config(file, false);
	int rc = s.root ? find_in(&s, r, c, e) : 0;
	json_decref(s.root);
	buffer_wipe(&text);
	return rc;
}

static const char *home(void)
{
	const char *path = program_env("HOME");
	const struct passwd *user = path ? NULL : getpwuid(geteuid());
	return path ? path : user ? user->pw_dir : "/";
}

static void docker_config(char *path, size_t size)
{
	const char *dir = program_env("DOCKER_CONFIG");
	if (dir)
		snprintf(path, size, "%s/config.json", dir);
	else
		snprintf(path, size, "%s/.docker/config.json", home());
}

static int find_in_podman(const struct reference *r, struct credential *c, struct error *e)
{
	char path[PATH_MAX];
	const char *runtime = program_env("XDG_RUNTIME_DIR"), *config = program_env("XDG_CONFIG_HOME");
	if (runtime)
		snprintf(path, sizeof path, "%s/containers/auth.json", runtime);
	else
		snprintf(path, sizeof path, "/run/containers/%lu/auth.json",
			 (unsigned long)geteuid());
	int rc = find_in_file(path, false, r, c, e);
	if (rc)
		return rc;
	if (config)
		snprintf(path, sizeof path, "%s/containers/auth.json", config);
	else
		snprintf(path, sizeof path, "%s/.config/containers/auth.json", home());
	return find_in_file(path, false, r, c, e);
}

int credential_find(const struct reference *repository, struct credential *c, struct error *e)
{
	const char *file = program_env("REGISTRY_AUTH_FILE");
	char path[PATH_MAX];
	program_keep_secrets();
	memset(c, 0, sizeof *c);
	int rc = find_in_environment(repository, c, e);
	if (rc == 0 && file)
		rc = find_in_file(file, true, repository, c, e);
	if (rc == 0) {
		docker_config(path, sizeof path);
		rc = find_in_file(path, false, repository, c, e);
	}
	if (rc == 0)
		rc = find_in_podman(repository, c, e);
	return rc < 0 ? -1 : 0;
}

/* Storing */

static json_t *encode(const struct credential *c)
{
	char text[CREDENTIAL_USER_SIZE + CREDENTIAL_SECRET_SIZE];
	unsigned char auth[sizeof text * 4 / 3 + 8];
	snprintf(text, sizeof text, "%s:%s", c->user, c->secret);
	EVP_EncodeBlock(auth, (const unsigned char *)text, (int)strlen(text));
	json_t *entry = json_pack("{s:s}", "auth", (const char *)auth);
	OPENSSL_cleanse(text, sizeof text);
	OPENSSL_cleanse(auth, sizeof auth);
	return entry;
}

/* Makes the folder of PATH, private, where it is missing. */
static void make_folder(const char *path)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof folder, "%s", path);
	char *slash = strrchr(folder, '/');
	if (!slash)
		return;
	*slash = '\0';
	(void)mkdir(folder, 0700);
}

static int write_config(const char *path, const json_t *root, struct error *e)
{
	char *text = json_dumps(root, JSON_INDENT(8));
	if (!text)
		return error_errno(e, "memory");
	make_folder(path);
	int rc = file_replace_private(AT_FDCWD, path, text, strlen(text), e);
	OPENSSL_cleanse(text, strlen(text));
	free(text);
	return rc;
}

/* Reads docker's config for changing it: one that can't be read is not to be overwritten. */
static json_t *open_config(char *path, struct error *e)
{
	char real[PATH_MAX];
	struct buffer text;
	struct error hidden;
	json_t *root = NULL;
	docker_config(path, PATH_MAX);
	if (!realpath(path, real)) {
		struct stat st;
		if (errno == ENOENT && lstat(path, &st))
			return json_object();
		error_errno(e, "%s", path);
		return NULL;
	}
	snprintf(path, PATH_MAX, "%s", real);
	buffer_init(&text, CONFIG_MAX);
	if (file_read(AT_FDCWD, real, &text, e) == 0) {
		root = text.len ? json_parse("", text.data, text.len, &hidden) : json_object();
		if (!json_is_object(root)) {
			error_set(e, STATUS_DATA, "%s: not understood (no JSON object); not changed",
				  path);
			json_decref(root);
			root = NULL;
		}
	}
	buffer_wipe(&text);
	return root;
}

/* Takes away all entries of the registry; returns whether there were any. */
static bool drop_entries(json_t *auths, const char *registry)
{
	bool has_any = false;
	const char *key;
	json_t *entry;
	void *next;
	json_object_foreach_safe(auths, next, key, entry) {
		const char *scheme = strstr(key, "://");
		const char *host = scheme ? scheme + 3 : key;
		size_t len = strcspn(host, "/");
		if ((scheme || !host[len]) && is_registry(host, len, registry)) {
			json_object_del(auths, key);
			has_any = true;
		}
	}
	return has_any;
}

/* Changes the entry in the file; ENTRY NULL removes it. Returns 1 when there was nothing to change. */
static int change_file(json_t *root, const char *path, const char *registry, json_t *entry,
		       struct error *e)
{
	json_t *auths = json_object_get(root, "auths");
	if (!json_is_object(auths) && !entry)
		return 1;
	if (!json_is_object(auths)) {
		auths = json_object();
		json_object_set_new(root, "auths", auths);
	}
	bool had_any = drop_entries(auths, registry);
	if (entry)
		json_object_set(auths, key_of(registry), entry);
	else if (!had_any)
		return 1;
	return write_config(path, root, e);
}

/* Through the helper NAME: stores C, or erases where it is NULL. */
static int change_helper(const char *name, const char *registry, const struct credential *c,
			 struct error *e)
{
	struct login login;
	if (!c)
		return credhelper_erase(name, key_of(registry), e);
	snprintf(login.user, sizeof login.user, "%s", c->user);
	snprintf(login.secret, sizeof login.secret, "%s", c->secret);
	int rc = credhelper_store(name, key_of(registry), &login, e);
	OPENSSL_cleanse(&login, sizeof login);
	return rc;
}

int credential_store(const char *registry, const struct credential *c, char *where,
		     size_t where_size, struct error *e)
{
	char path[PATH_MAX];
	json_t *entry = NULL;
	program_keep_secrets();
	json_t *root = open_config(path, e);
	if (!root)
		return -1;
	const char *helper = helper_of(root, registry);
	if (!helper)
		helper = json_text(root, "credsStore");
	bool has_helper = helper && *helper;
	int rc = 1, unchanged = 1;
	if (has_helper)
		rc = change_helper(helper, registry, c, e);
	/* With a helper the file has an empty entry, as docker leaves it. */
	if (rc >= 0 && c)
		entry = has_helper ? json_object() : encode(c);
	if (rc >= 0)
		unchanged = change_file(root, path, registry, entry, e);
	/* A helper that knew nothing is named only where the file knew nothing either. */
	bool is_helpers = has_helper && !(rc == 1 && unchanged == 0);
	snprintf(where, where_size, "%s%s", is_helpers ? "docker-credential-" : "",
		 is_helpers ? helper : path);
	if (rc >= 0)
		rc = unchanged < 0 ? -1 : rc && unchanged;
	json_decref(entry);
	json_decref(root);
	return rc;
}
