/* SPDX-License-Identifier: Apache-2.0 */
#include "pushed.h"

#include "file.h"
#include "state.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, NAME_SIZE = 300, LINE_SIZE = DIGEST_TEXT_LEN + REFERENCE_NAME_MAX + 3 };

static int open_cache(const struct reference *repository, char name[NAME_SIZE])
{
	struct error ignored = {0};
	state_host_file(repository->registry, "", name, NAME_SIZE);
	return state_open_cache("pushed", &ignored);
}

/* The last line of TEXT about D whose repository is other than NOT (NULL: any); its length in *LEN.
 */
static const char *find_line(const char *text, const struct digest *d, const char * not,
			     size_t *len)
{
	const char *found = NULL;
	for (const char *line = text; line && (line = strstr(line, d->text));) {
		const char *name = line + DIGEST_TEXT_LEN + 1;
		size_t n = line[DIGEST_TEXT_LEN] == ' ' ? strcspn(name, "\n") : 0;
		bool is_other = !not || n != strlen(not ) || strncmp(name, not, n) != 0;
		if (n > 0 && n <= REFERENCE_NAME_MAX && is_other) {
			found = name;
			*len = n;
		}
		line += DIGEST_TEXT_LEN;
	}
	return found;
}

bool pushed_find(const struct reference *repository, const struct digest *d,
		 char from[REFERENCE_NAME_MAX + 1])
{
	char name[NAME_SIZE];
	struct buffer text;
	struct error ignored = {0};
	size_t len = 0;
	int dir = open_cache(repository, name);
	if (dir < 0)
		return false;
	buffer_init(&text, FILE_MAX);
	const char *found = NULL;
	if (file_read(dir, name, &text, &ignored) == 0 && text.len)
		found = find_line(text.data, d, repository->repository, &len);
	if (found) {
		memcpy(from, found, len);
		from[len] = '\0';
	}
	buffer_release(&text);
	close(dir);
	return found != NULL;
}

void pushed_add(const struct reference *repository, const struct digest *d)
{
	char name[NAME_SIZE], lock_name[NAME_SIZE], line[LINE_SIZE];
	int lock = -1;
	struct buffer text;
	struct error ignored = {0};
	int dir = open_cache(repository, name);
	if (dir < 0)
		return;
	buffer_init(&text, FILE_MAX);
	state_host_file(repository->registry, ".lock", lock_name, sizeof lock_name);
	int n = snprintf(line, sizeof line, "%s %s\n", d->text, repository->repository);
	if (state_lock(dir, lock_name, -1, &lock, &ignored) ||
	    (file_read(dir, name, &text, &ignored) && ignored.status == STATUS_DATA))
		goto out;
	if (text.len && strstr(text.data, line))
		goto out;
	/* Of a full one the newer half stays. */
	const char *kept = text.len ? text.data : "";
	if (text.len + (size_t)n > FILE_MAX && (kept = strchr(kept + text.len / 2, '\n')))
		kept++;
	struct buffer fresh;
	buffer_init(&fresh, FILE_MAX);
	if (buffer_append(&fresh, kept ? kept : "", kept ? strlen(kept) : 0, &ignored) == 0 &&
	    buffer_append(&fresh, line, (size_t)n, &ignored) == 0)
		(void)file_replace_private(dir, name, fresh.data, fresh.len, &ignored);
	buffer_release(&fresh);
out:
	if (lock >= 0)
		close(lock);
	buffer_release(&text);
	close(dir);
}
