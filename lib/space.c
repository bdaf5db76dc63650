/* SPDX-License-Identifier: Apache-2.0 */
#include "space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

int64_t space_used(int dir_fd)
{
	int64_t size = 0;
	struct stat st;
	struct dirent *entry;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			size += st.st_size;
	if (dir)
		closedir(dir);
	return size;
}

int space_check(int dir_fd, const char *path, int64_t bytes, const char *advice, struct error *e)
{
	struct statvfs vfs;
	if (fstatvfs(dir_fd, &vfs))
		return 0;
	double free = (double)vfs.f_bavail * (double)vfs.f_frsize;
	double needed = (double)bytes;
	if (needed <= free)
		return 0;
	return error_set(e, STATUS_FAILED, "%s: %.0f MiB free, up to %.0f MiB needed: %s", path,
			 free / (1 << 20), needed / (1 << 20) + 1, advice);
}

void space_advise(struct error *e, const char *advice)
{
	const struct error full = *e;
	bool is_full = strstr(e->text, strerror(ENOSPC)) || strstr(e->text, strerror(EDQUOT));
	/* What takes our records is not ours to choose. */
	if (e->status != STATUS_OK && is_full && !strstr(e->text, "stdout"))
		error_set(e, full.status, "%.400s: %s", full.text, advice);
}
