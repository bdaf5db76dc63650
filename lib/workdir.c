/* SPDX-License-Identifier: Apache-2.0 */
#include "workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Between mkdir and lock a directory is young and unlocked; it is nobody's leftover yet. */
enum { YOUNG_SECONDS = 60, MAX_DEPTH = 32, TRIES = 100 };

/* The lock gets its name when it is held: a free one is a leftover. */
#define LOCK_NAME "lock"
#define NEW_LOCK_NAME "lock.new"

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_directory(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void remove_tree(int parent_fd, const char *name, int depth)
{
	if (unlinkat(parent_fd, name, 0) == 0 || depth == MAX_DEPTH)
		return;
	DIR *dir = open_directory(parent_fd, name);
	if (!dir)
		return;
	const struct dirent *entry;
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			remove_tree(dirfd(dir), entry->d_name, depth + 1);
	closedir(dir);
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void workdir_remove(int parent_fd, const char *name)
{
	remove_tree(parent_fd, name, 0);
}

/* Whether NAME is a directory of ours whose process is gone. */
static bool is_stale(int parent_fd, const char *name)
{
	struct stat st;
	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid())
		return false;
	char path[WORKDIR_NAME_SIZE + 1 + sizeof LOCK_NAME];
	snprintf(path, sizeof path, "%.*s/" LOCK_NAME, WORKDIR_NAME_SIZE, name);
	int fd = openat(parent_fd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return time(NULL) - st.st_mtime > YOUNG_SECONDS;
	bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return is_free;
}

static void sweep(int parent_fd, const char *prefix)
{
	DIR *dir = open_directory(parent_fd, ".");
	if (!dir)
		return;
	const struct dirent *entry;
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    strlen(entry->d_name) < WORKDIR_NAME_SIZE && is_stale(parent_fd, entry->d_name))
			workdir_remove(parent_fd, entry->d_name);
	closedir(dir);
}

static int make(struct workdir *w, const char *prefix, struct error *e)
{
	for (unsigned try = 0; try < TRIES; try++) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(w->name, sizeof w->name, "%s%lx%05lx%02x", prefix, (long)getpid(),
			 ((unsigned long)now.tv_nsec >> 4) & 0xfffff, try);
		if (mkdirat(w->parent_fd, w->name, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return error_errno(e, "create directory %s", w->name);
}

int workdir_init(struct workdir *w, int parent_fd, const char *prefix, struct error *e)
{
	*w = (struct workdir){.parent_fd = parent_fd, .fd = -1, .lock_fd = -1};
	sweep(parent_fd, prefix);
	if (make(w, prefix, e))
		return -1;
	w->fd = openat(parent_fd, w->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->fd >= 0)
		w->lock_fd = openat(w->fd, NEW_LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				    0600);
	if (w->lock_fd < 0 || flock(w->lock_fd, LOCK_EX | LOCK_NB) ||
	    renameat(w->fd, NEW_LOCK_NAME, w->fd, LOCK_NAME)) {
		error_errno(e, "lock %s", w->name);
		workdir_remove(parent_fd, w->name);
		return -1;
	}
	return 0;
}

void workdir_release(struct workdir *w)
{
	if (w->fd < 0)
		return;
	workdir_remove(w->parent_fd, w->name);
	close(w->fd);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	w->fd = w->lock_fd = -1;
}
