/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_POLL_MS = 50 };

/* The two kinds of directory. */
struct place {
	const char *own;  /* variable with the directory itself; NULL for none */
	const char *base; /* variable with the directory that it is in */
	const char *home; /* the default of that, below the home directory */
};

static const struct place state = {STATE_DIR_ENV, "XDG_STATE_HOME", ".local/state"};
static const struct place cache = {NULL, "XDG_CACHE_HOME", ".cache"};

static int find(const struct place *p, char path[PATH_MAX], struct error *e)
{
	const char *own = p->own ? program_env(p->own) : NULL, *base = program_env(p->base);
	const char *home = program_env("HOME");
	const struct passwd *user = home ? NULL : getpwuid(geteuid());
	int need;
	if (user)
		home = user->pw_dir;
	if (own)
		need = snprintf(path, PATH_MAX, "%s", own);
	else if (base && *base == '/') /* its specification: a relative one is to be ignored */
		need = snprintf(path, PATH_MAX, "%s/cog-push", base);
	else if (home)
		need = snprintf(path, PATH_MAX, "%s/%s/cog-push", home, p->home);
	else
		return error_set(e, STATUS_FAILED, "%s: no home directory", p->home);
	if (need < 0 || need >= PATH_MAX)
		return error_set(e, STATUS_FAILED, "%.100s...: name too long", path);
	return 0;
}

/* mkdir, after which *WHY is the errno of the failure that the user is to know. */
static void make_one(const char *path, int *why)
{
	if (mkdir(path, 0700) && errno != EEXIST && errno != ENOENT)
		*why = errno;
}

/* Opens PATH, which is made with the directories above it when missing. */
static int open_made(char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), why = 0;
	if (fd < 0 && errno == ENOENT) {
		for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
			*slash = '\0';
			make_one(path, &why);
			*slash = '/';
		}
		make_one(path, &why);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0)
		return fd;
	errno = why ? why : errno;
	return error_errno(e, "%s", path);
}

/* Closes FD and returns -1 unless it is a directory that is ours alone to write to. */
static int check(int fd, const char *path, struct error *e)
{
	struct stat st;
	if (fstat(fd, &st))
		error_errno(e, "%s", path);
	else if (st.st_uid != geteuid())
		error_set(e, STATUS_FAILED, "%s: belongs to another user", path);
	else if (st.st_mode & 022)
		error_set(e, STATUS_FAILED, "%s: others may write to it: chmod 700 it", path);
	else
		return fd;
	close(fd);
	return -1;
}

static int open_sub(const struct place *p, const char *sub, struct error *e)
{
	char path[PATH_MAX], whole[PATH_MAX + 64];
	if (find(p, path, e))
		return -1;
	int fd = open_made(path, e);
	if (fd < 0 || check(fd, path, e) < 0)
		return -1;
	snprintf(whole, sizeof whole, "%s/%s", path, sub);
	int why = mkdirat(fd, sub, 0700) && errno != EEXIST ? errno : 0;
	int sub_fd = openat(fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_fd < 0) {
		errno = why ? why : errno;
		error_errno(e, "%s", whole);
	}
	close(fd);
	return sub_fd < 0 ? -1 : check(sub_fd, whole, e);
}

int state_open(const char *sub, struct error *e)
{
	return open_sub(&state, sub, e);
}

int state_open_cache(const char *sub, struct error *e)
{
	return open_sub(&cache, sub, e);
}

/* Whether NAME is still the file that FD is: else whoever removed it does not know of our lock. */
static bool is_current(int dir_fd, const char *name, int fd)
{
	struct stat ours, named;
	return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* One try: as state_lock(). */
static int try_lock(int dir_fd, const char *name, int *lock_fd, struct error *e)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(e, "create %s", name);
	int rc = 1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		rc = is_current(dir_fd, name, fd) ? 0 : 1;
	else if (errno != EWOULDBLOCK)
		rc = error_errno(e, "lock %s", name);
	if (rc == 0)
		*lock_fd = fd;
	else
		close(fd);
	return rc;
}

int state_lock(int dir_fd, const char *name, int64_t wait_ms, int *lock_fd, struct error *e)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	for (int64_t waited_ms = 0;; waited_ms += LOCK_POLL_MS) {
		int rc = try_lock(dir_fd, name, lock_fd, e);
		if (rc != 1 || (wait_ms >= 0 && waited_ms >= wait_ms) || program_is_interrupted())
			return rc;
		(void)nanosleep(&pause, NULL);
	}
}

void state_host_file(const char *host, const char *suffix, char *out, size_t size)
{
	snprintf(out, size, "%s%s", host, suffix);
	for (char *p = out; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (!isalnum((unsigned char)*p) && *p != '-' && (*p != '.' || p == out))
			*p = '_';
	}
}
