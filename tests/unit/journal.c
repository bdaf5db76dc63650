/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what is an entry, who may upload, what a killed process leaves. With operands, a
 * process of its own for tests/state.bats:
 *
 *	journal write REPO DIGEST OFFSET
 *	journal read REPO DIGEST		prints the offset and the location, or "none"
 *	journal hold REPO DIGEST		prints "waits" if it must, "holds"; until stdin ends
 *	journal sweep
 */
#include "check.h"
#include "journal.h"
#include "program.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 200
#define WEEK (7L * 24 * 3600)

static char dir[256];
static struct reference repository;
static struct digest digest;

static void parse(struct reference *r, struct digest *d, const char *name, const char *content)
{
	struct error e = {0};
	if (reference_parse(r, name, &e))
		abort();
	digest_of(d, content, strlen(content));
}

/* A sample, all of which follows from OFFSET. */
static struct journal_entry sample(int64_t offset)
{
	struct journal_entry entry = {.offset = offset,
				      .announced_min = offset / 2,
				      .announced_max = offset * 2,
				      .plan = {.shape = PLAN_CHUNKS, .chunk = offset + 1}};
	snprintf(entry.location, sizeof entry.location,
		 "https://r.example/v2/a/blobs/upload/x?at=%" PRId64 "&%0*d", offset,
		 (int)(offset % 5000) + 1, 0);
	return entry;
}

static bool is_sample(const struct journal_entry *entry)
{
	struct journal_entry expected = sample(entry->offset);
	return strcmp(entry->location, expected.location) == 0 &&
	       entry->announced_min == expected.announced_min &&
	       entry->announced_max == expected.announced_max &&
	       entry->plan.shape == expected.plan.shape && entry->plan.chunk == expected.plan.chunk;
}

static void path_of(const struct journal *j, const char *suffix, char *out, size_t size)
{
	snprintf(out, size, "%s/uploads/%s%s", dir, j->name, suffix);
}

static bool exists(const struct journal *j, const char *suffix)
{
	char path[500];
	struct stat st;
	path_of(j, suffix, path, sizeof path);
	return stat(path, &st) == 0;
}

/* Makes a file AGE seconds old. */
static void make_older(const struct journal *j, const char *suffix, long age)
{
	char path[500];
	struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
	path_of(j, suffix, path, sizeof path);
	(void)utimensat(AT_FDCWD, path, times, 0);
}

static void test_entry(void)
{
	struct journal j, other;
	struct journal_entry entry, found;
	struct reference repository2;
	struct digest digest2;
	parse(&repository2, &digest2, "r.example/team/other", "other");
	CHECK(journal_open(&j, &repository, &digest) == 0);
	CHECK(!journal_read(&j, &found));
	for (int shape = PLAN_ONE_BODY; shape <= PLAN_LAST_IN_PUT; shape++) {
		entry = sample((int64_t)5 << 32);
		entry.plan.shape = (enum plan_shape)shape;
		journal_write(&j, &entry);
		CHECK(journal_read(&j, &found));
		CHECK((int)found.plan.shape == shape);
		found.plan.shape = PLAN_CHUNKS;
		CHECK(is_sample(&found) && found.offset == (int64_t)5 << 32);
	}
	CHECK(journal_open(&other, &repository2, &digest) == 0 && !journal_read(&other, &found));
	journal_close(&other);
	CHECK(journal_open(&other, &repository, &digest2) == 0 && !journal_read(&other, &found));
	journal_close(&other);
	journal_remove(&j);
	CHECK(!journal_read(&j, &found));
	journal_write(&j, &entry);
	journal_close(&j);
	CHECK(!exists(&j, ".lock") && exists(&j, ".json"));
	CHECK(journal_open(&j, &repository, &digest) == 0 && journal_read(&j, &found));
	journal_remove(&j);
	journal_close(&j);
	CHECK(!exists(&j, ".lock") && !exists(&j, ".json"));
}

#define BLOB "\"registry\":\"r.example\",\"repository\":\"team/app\",\"digest\":\"%s\","
#define LOCATION "\"location\":\"https://r.example/u\","
#define NUMBERS                                                                                    \
	"\"offset\":5,\"shape\":\"chunks\",\"chunk\":6,\"announcedMin\":0,\"announcedMax\":0}"

/* Files, in which %s is the digest. The first two are entries. */
static const char *const files[] = {
	"{" BLOB LOCATION NUMBERS,
	"{" BLOB LOCATION "\"offset\":0,\"shape\":\"oneBody\",\"chunk\":0,\"announcedMin\":0,"
	"\"announcedMax\":0,\"new\":[]}",
	"",
	"{}",
	"{" BLOB LOCATION "\"offset\":5,\"shape\":\"chu",
	"{\"registry\":\"r.example\",\"repository\":\"team/app\"," LOCATION NUMBERS,
	"{\"registry\":\"r.example\",\"repository\":\"team/app\",\"digest\":\"sha256:1\"," LOCATION
		NUMBERS,
	"{\"registry\":\"s.example\",\"repository\":\"team/app\",\"digest\":\"%s\"," LOCATION
		NUMBERS,
	"{\"registry\":\"r.example\",\"repository\":\"team/other\",\"digest\":\"%s\"," LOCATION
		NUMBERS,
	"{" BLOB NUMBERS,
	"{" BLOB "\"location\":\"/u\"," NUMBERS,
	"{" BLOB "\"location\":\"ftp://r.example/u\"," NUMBERS,
	"{" BLOB "\"location\":\"https://r.example/u\\r\\nX: y\"," NUMBERS,
	"{" BLOB LOCATION
	"\"offset\":-1,\"shape\":\"chunks\",\"chunk\":6,\"announcedMin\":0,\"announcedMax\":0}",
	"{" BLOB LOCATION "\"offset\":4611686018427387904,\"shape\":\"chunks\",\"chunk\":6,"
	"\"announcedMin\":0,\"announcedMax\":0}",
	"{" BLOB LOCATION
	"\"offset\":\"5\",\"shape\":\"chunks\",\"chunk\":6,\"announcedMin\":0,\"announcedMax\":0}",
	"{" BLOB LOCATION
	"\"offset\":5,\"shape\":\"bag\",\"chunk\":6,\"announcedMin\":0,\"announcedMax\":0}",
	"{" BLOB LOCATION
	"\"offset\":5,\"shape\":\"chunks\",\"chunk\":0,\"announcedMin\":0,\"announcedMax\":0}",
	"{" BLOB LOCATION "\"offset\":5,\"shape\":\"chunks\",\"chunk\":6}",
};

static void write_file(const struct journal *j, const char *format)
{
	char path[500], text[1000];
	snprintf(text, sizeof text, "%s", format);
	const char *hole = strstr(format, "%s");
	if (hole)
		snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - format), format,
			 j->blob.digest.text, hole + 2);
	path_of(j, ".json", path, sizeof path);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void test_files(void)
{
	struct journal j;
	struct journal_entry found;
	CHECK(journal_open(&j, &repository, &digest) == 0);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		write_file(&j, files[i]);
		if (journal_read(&j, &found) == (i < 2))
			continue;
		fprintf(stderr, "journal: %s\n", files[i]);
		failures++;
	}
	write_file(&j, files[0]);
	make_older(&j, ".json", WEEK - 60);
	CHECK(journal_read(&j, &found));
	make_older(&j, ".json", WEEK + 60);
	CHECK(!journal_read(&j, &found));
	journal_remove(&j);
	journal_close(&j);
}

static void test_lock(void)
{
	struct journal first, second;
	struct journal_entry entry = sample(7), found;
	struct error e = {0};
	CHECK(journal_open(&first, &repository, &digest) == 0);
	journal_write(&first, &entry);
	CHECK(journal_open(&second, &repository, &digest) == 1);
	CHECK(!journal_read(&second, &found));
	journal_remove(&second);
	journal_close(&second);
	CHECK(exists(&first, ".lock") && journal_read(&first, &found));
	CHECK(journal_open(&second, &repository, &digest) == 1);
	journal_close(&first);
	CHECK(journal_wait(&second, &e) == 0 && journal_read(&second, &found));
	journal_remove(&second);
	journal_close(&second);
}

static void test_sweep(void)
{
	struct journal old, held, young;
	struct journal_entry entry = sample(7);
	struct digest d;
	digest_of(&d, "old", 3);
	CHECK(journal_open(&old, &repository, &d) == 0);
	journal_write(&old, &entry);
	journal_close(&old);
	make_older(&old, ".json", WEEK + 60);
	digest_of(&d, "young", 5);
	CHECK(journal_open(&young, &repository, &d) == 0);
	journal_write(&young, &entry);
	journal_close(&young);
	CHECK(journal_open(&held, &repository, &digest) == 0);
	journal_write(&held, &entry);
	make_older(&held, ".json", WEEK + 60);
	make_older(&held, ".lock", WEEK + 60);
	journal_sweep();
	CHECK(!exists(&old, ".json") && !exists(&old, ".lock"));
	CHECK(exists(&young, ".json") && !exists(&young, ".lock"));
	CHECK(exists(&held, ".json") && exists(&held, ".lock"));
	journal_remove(&held);
	journal_close(&held);
}

static int64_t visited;

static int visit(const struct journal_entry *entry, const struct digest *d, void *context,
		 struct error *e)
{
	visited += entry->offset;
	(void)d;
	return context ? error_set(e, STATUS_INTERRUPTED, "enough") : 0;
}

static void test_forget(void)
{
	struct journal j, held, other;
	struct journal_entry entry = sample(1000), found;
	struct reference repository2;
	struct digest d;
	struct error e = {0};
	parse(&repository2, &d, "r.example/team/other", "other");
	CHECK(journal_open(&other, &repository2, &digest) == 0);
	journal_write(&other, &entry);
	journal_close(&other);
	for (int i = 1; i <= 3; i++) {
		entry = sample(i);
		digest_of(&d, &i, sizeof i);
		CHECK(journal_open(&j, &repository, &d) == 0);
		journal_write(&j, &entry);
		journal_close(&j);
		make_older(&j, ".json", i * WEEK);
	}
	CHECK(journal_open(&held, &repository, &digest) == 0);
	journal_write(&held, &entry);
	CHECK(journal_forget(&repository, visit, &e, &e) == -1 && e.status == STATUS_INTERRUPTED);
	visited = 0;
	/* Four of its own, one of them from test_sweep(). */
	CHECK(journal_forget(&repository, visit, NULL, &e) == 4 && visited == 1 + 2 + 3 + 7);
	CHECK(journal_forget(&repository, visit, NULL, &e) == 0);
	CHECK(!exists(&j, ".lock") && journal_read(&held, &found));
	journal_remove(&held);
	journal_close(&held);
	CHECK(journal_forget(&repository2, visit, NULL, &e) == 1);
}

/* Ends the child with its failures as the status. */
static pid_t begin(void (*child)(int), int argument)
{
	fflush(stderr);
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid)
		return pid;
	failures = 0;
	child(argument);
	_exit(failures != 0);
}

static void end(pid_t pid)
{
	int status = 0;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Takes the lock again and again; nobody else may be inside. */
static void take_turns(int turns)
{
	char path[300];
	snprintf(path, sizeof path, "%s/inside", dir);
	for (int i = 0; i < turns; i++) {
		struct journal j;
		/* Not journal_wait(), whose pauses would keep them out of each other's way. */
		while (journal_open(&j, &repository, &digest))
			journal_close(&j);
		CHECK(j.lock_fd >= 0);
		make_older(&j, ".lock", 3600); /* so that it is swept */
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		CHECK(fd >= 0);
		close(fd);
		CHECK(unlink(path) == 0);
		journal_close(&j);
	}
}

static void sweep_often(int times)
{
	while (times--)
		journal_sweep();
}

static void test_turns(void)
{
	pid_t pids[4];
	for (int i = 0; i < 3; i++)
		pids[i] = begin(take_turns, 1000);
	pids[3] = begin(sweep_often, 2000);
	for (int i = 0; i < 4; i++)
		end(pids[i]);
}

static void write_for_ever(int ready_fd)
{
	struct journal j;
	struct journal_entry found, next = sample(0);
	if (journal_open(&j, &repository, &digest))
		return;
	if (journal_read(&j, &found))
		next = sample(found.offset + 1);
	journal_write(&j, &next);
	(void)!write(ready_fd, "", 1);
	for (int64_t offset = next.offset + 1;; offset++) {
		next = sample(offset);
		journal_write(&j, &next);
	}
}

/* A writer that is killed at any moment leaves a whole entry, the old one or the new one. */
static void test_kill(void)
{
	int64_t last = -1, begun = -1;
	for (int i = 0; i < KILLS; i++) {
		int ready[2];
		char byte;
		struct journal j;
		struct journal_entry found;
		struct timespec moment = {.tv_nsec = (long)(i * 37 % 200) * 10000};
		if (pipe(ready))
			abort();
		pid_t pid = begin(write_for_ever, ready[1]);
		CHECK(read(ready[0], &byte, 1) == 1);
		nanosleep(&moment, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(ready[0]);
		close(ready[1]);
		CHECK(journal_open(&j, &repository, &digest) == 0);
		CHECK(journal_read(&j, &found) && is_sample(&found) && found.offset > last);
		last = found.offset;
		begun += 1;
		journal_close(&j);
	}
	/* Else each was killed before it came to its second entry. */
	CHECK(last > begun);
}

static void wait_interrupted(int unused)
{
	struct journal j;
	struct error e = {0};
	(void)unused;
	program_init("journal", "");
	CHECK(journal_open(&j, &repository, &digest) == 1);
	raise(SIGTERM);
	CHECK(journal_wait(&j, &e) == -1 && e.status == STATUS_INTERRUPTED);
	journal_close(&j);
}

static void test_interrupt(void)
{
	struct journal j;
	CHECK(journal_open(&j, &repository, &digest) == 0);
	end(begin(wait_interrupted, 0));
	CHECK(exists(&j, ".lock"));
	journal_remove(&j);
	journal_close(&j);
}

/* As a process of its own */

static void hold(struct journal *j, bool is_held)
{
	struct error e = {0};
	char byte;
	if (!is_held) {
		puts("waits");
		fflush(stdout);
		if (journal_wait(j, &e))
			exit((int)e.status);
	}
	puts("holds");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int run(char **operands)
{
	struct journal j;
	struct journal_entry entry;
	struct error e = {0};
	const char *verb = operands[0];
	program_init("journal", "");
	if (strcmp(verb, "sweep") == 0) {
		journal_sweep();
		return 0;
	}
	if (reference_parse(&repository, operands[1], &e) || digest_parse(&digest, operands[2]))
		return STATUS_USAGE;
	bool is_held = journal_open(&j, &repository, &digest) == 0;
	if (strcmp(verb, "hold") == 0)
		hold(&j, is_held);
	entry = sample(operands[3] ? atoll(operands[3]) : 0);
	if (strcmp(verb, "write") == 0) {
		journal_write(&j, &entry);
		journal_write(&j, &entry);
	}
	if (strcmp(verb, "read") == 0 && journal_read(&j, &entry))
		printf("%" PRId64 " %s\n", entry.offset, entry.location);
	else if (strcmp(verb, "read") == 0)
		puts("none");
	journal_close(&j);
	return 0;
}

int main(int argc, char **argv)
{
	char command[300];
	if (argc > 1)
		return run(argv + 1);
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/journal.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || setenv(STATE_DIR_ENV, dir, 1))
		abort();
	parse(&repository, &digest, "r.example/team/app", "content");
	test_entry();
	test_files();
	test_lock();
	test_sweep();
	test_forget();
	test_turns();
	test_interrupt();
	test_kill();
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return failures || system(command) ? 1 : 0;
}
