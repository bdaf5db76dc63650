/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);
	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Sets OTHER to PATH with another suffix; whether that file is there. */
static bool has_other_half(const char *path, const char *suffix, const char *other_suffix,
			   char other[PATH_MAX])
{
	size_t stem = strlen(path) - strlen(suffix);
	int n = snprintf(other, PATH_MAX, "%.*s%s", (int)stem, path, other_suffix);
	return n > 0 && n < PATH_MAX && access(other, R_OK) == 0;
}

static int take(struct certs *c, const char *path, struct error *e)
{
	char other[PATH_MAX];
	if (has_suffix(path, ".crt") && c->ca_count < CERTS_CA_MAX) {
		snprintf(c->ca[c->ca_count++], PATH_MAX, "%s", path);
	} else if (has_suffix(path, ".cert")) {
		if (!has_other_half(path, ".cert", ".key", other))
			return error_set(e, STATUS_FAILED, "%s: its key is missing: %s", path, other);
		snprintf(c->cert, sizeof c->cert, "%s", path);
		snprintf(c->key, sizeof c->key, "%s", other);
	} else if (has_suffix(path, ".key") && !has_other_half(path, ".key", ".cert", other)) {
		return error_set(e, STATUS_FAILED, "%s: its certificate is missing: %s", path, other);
	}
	return 0;
}

/* 1 when the folder is there, 0, -1. */
static int read_folder(struct certs *c, const char *folder, struct error *e)
{
	DIR *dir = opendir(folder);
	if (!dir) {
		if (errno != ENOENT && errno != ENOTDIR)
			program_warn("%s: %s; passed over", folder, strerror(errno));
		return 0;
	}
	int rc = 1;
	const struct dirent *entry;
	while (rc > 0 && (entry = readdir(dir))) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (n > 0 && n < PATH_MAX && take(c, path, e))
			rc = -1;
	}
	closedir(dir);
	return rc;
}

int certs_find(const char *registry, struct certs *c, struct error *e)
{
	const char *config = program_env("XDG_CONFIG_HOME"), *home = program_env("HOME");
	char own[PATH_MAX] = "";
	memset(c, 0, sizeof *c);
	if (config)
		snprintf(own, sizeof own, "%s", config);
	else if (home)
		snprintf(own, sizeof own, "%s/.config", home);
	const struct {
		const char *base, *tail;
	} places[] = {
		{own, "/containers/certs.d"},
		{own, "/docker/certs.d"},
		{"/etc", "/containers/certs.d"},
		{"/etc", "/docker/certs.d"},
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof places / sizeof *places && rc == 0; i++) {
		char folder[PATH_MAX];
		int n = snprintf(folder, sizeof folder, "%s%s/%s", places[i].base, places[i].tail,
				 registry);
		if (*places[i].base && n > 0 && n < PATH_MAX)
			rc = read_folder(c, folder, e);
	}
	return rc < 0 ? -1 : 0;
}
