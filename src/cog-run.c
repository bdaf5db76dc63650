/* SPDX-License-Identifier: Apache-2.0 */
/* cog-run: runs a script of many processes so that it ends as one, whatever happens. It makes the run
 * directory, tells the command by the environment what the run's programs share, prints the cause of
 * a failure and returns its status. It knows nothing of images.
 *
 * After status 75 the directory "layout" in the run directory is kept as $COG_RUN_KEEP if the
 * command left a file "resume", whose text says how to go on. */
#include "event.h"
#include "file.h"
#include "program.h"
#include "supervise.h"
#include "workdir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "cog-push-"

static const char usage[] =
	"usage: cog-run [-jv] [--max-time SECONDS] COMMAND [ARG...]\n"
	"Runs COMMAND in a run directory of its own (COG_RUN_DIR); however it ends, no process and no\n"
	"file of it stays. What the programs of a run share is described in cog-pipeline(7).\n"
	"\n"
	"  -j, --json               also write the cause of a failure as an error record on stdout\n"
	"      --max-time SECONDS   stop it after so long, as temporary (75)\n"
	"  -v, --verbose            say what is done\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_MAX_TIME = 256, SECONDS_MAX = 1000 * 1000 * 1000 };

struct run {
	const char *name; /* of the command, for lines about the run as a whole */
	char parent[PATH_MAX]; /* the absolute path where run directories are */
	int parent_fd;
	struct workdir dir;
	char keep[WORKDIR_NAME_SIZE + sizeof PREFIX + 16]; /* in the parent, where a layout is kept */
};

/* Sets NAME to "<parent>/<run directory><SUFFIX>". */
static void export_path(const struct run *r, const char *name, const char *suffix)
{
	char path[PATH_MAX + WORKDIR_NAME_SIZE + 16];
	snprintf(path, sizeof path, "%s/%s%s", r->parent, r->dir.name, suffix);
	setenv(name, path, 1);
}

static bool is_ours(const struct run *r, const char *name)
{
	struct stat st;
	return fstatat(r->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid();
}

/* FNV-1a: libcrypto would take longer to start than all else here. */
static uint64_t mix(uint64_t hash, const char *word)
{
	do
		hash = (hash ^ (unsigned char)*word) * 0x100000001b3;
	while (*word++);
	return hash;
}

/* The name for a kept layout is that of the command, so that there is one at most however often that fails;
 * where another user has it, it is made of the run directory's. */
static void name_keep(struct run *r, char *const *argv)
{
	char folder[PATH_MAX];
	uint64_t hash = mix(0xcbf29ce484222325, getcwd(folder, sizeof folder) ? folder : "");
	for (; *argv; argv++)
		hash = mix(hash, *argv);
	snprintf(r->keep, sizeof r->keep, PREFIX "layout.%016" PRIx64, hash);
	const char *dot = strchr(r->dir.name, '.');
	if (faccessat(r->parent_fd, r->keep, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && !is_ours(r, r->keep))
		snprintf(r->keep, sizeof r->keep, PREFIX "layout%s", dot ? dot : "");
}

/* A token directory that the user chose stays; one of a run that we are part of does not. */
static int export_tokens(const struct run *r, struct error *e)
{
	const char *outer = program_env("COG_RUN_DIR"), *tokens = program_env("COG_TOKEN_DIR");
	if (mkdirat(r->dir.fd, "tokens", 0700))
		return error_errno(e, "create directory tokens");
	if (tokens && !(outer && strncmp(tokens, outer, strlen(outer)) == 0))
		return 0;
	export_path(r, "COG_TOKEN_DIR", "/tokens");
	return 0;
}

/* DOCKER_AUTH_CONFIG goes to a file that our programs read: what else inherits the environment is not
 * to see it. */
static int hide_secrets(const struct run *r, struct error *e)
{
	const char *text = program_env("DOCKER_AUTH_CONFIG");
	if (text) {
		if (file_replace_private(r->dir.fd, "auth.json", text, strlen(text), e))
			return -1;
		export_path(r, "COG_AUTH_CONFIG", "/auth.json");
	}
	unsetenv("DOCKER_AUTH_CONFIG");
	return 0;
}

static int make_directory(struct run *r, char *const *argv, struct error *e)
{
	const char *parent = program_env("TMPDIR");
	if (!realpath(parent ? parent : "/var/tmp", r->parent))
		return error_errno(e, "TMPDIR %s", parent ? parent : "/var/tmp");
	r->parent_fd = open(r->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->parent_fd < 0)
		return error_errno(e, "TMPDIR %s", r->parent);
	char prefix[32], number[24], path[PATH_MAX + sizeof r->keep];
	snprintf(prefix, sizeof prefix, PREFIX "%lu.", (unsigned long)geteuid());
	struct error why = {0};
	if (workdir_init(&r->dir, r->parent_fd, prefix, &why))
		return error_set(e, why.status, "in %s: %.300s", r->parent, why.text);
	if (export_tokens(r, e) || hide_secrets(r, e))
		return -1;
	export_path(r, "COG_RUN_DIR", "");
	name_keep(r, argv);
	snprintf(path, sizeof path, "%s/%s", r->parent, r->keep);
	setenv("COG_RUN_KEEP", path, 1);
	snprintf(number, sizeof number, "%ld", (long)getpid());
	setenv("COG_RUN_PID", number, 1);
	return 0;
}

static void say(const char *name, const char *what, const char *text)
{
	char line[2 * PATH_MAX];
	struct error ignored = {0};
	snprintf(line, sizeof line - 1, "%s%s%s", name, what, text);
	error_clean(line);
	strcat(line, "\n");
	(void)file_write(STDERR_FILENO, "stderr", line, strlen(line), &ignored);
}

static void forget_kept(const struct run *r)
{
	if (is_ours(r, r->keep))
		workdir_remove(r->parent_fd, r->keep);
}

/* After a temporary failure: keeps the layout, says how to go on. */
static void keep_layout(const struct run *r)
{
	struct buffer text;
	struct error ignored = {0};
	buffer_init(&text, PATH_MAX);
	if (file_read(r->dir.fd, "resume", &text, &ignored) == 0 && text.len) {
		text.data[strcspn(text.data, "\n")] = '\0';
		if (faccessat(r->dir.fd, "layout", F_OK, 0) == 0) {
			forget_kept(r);
			(void)renameat(r->dir.fd, "layout", r->parent_fd, r->keep);
		}
		say(r->name, ": ", text.data);
	}
	buffer_release(&text);
}

static int run(char **argv, int64_t limit_s, bool is_nohup, bool is_recorded)
{
	const char *slash = strrchr(*argv, '/');
	struct run r = {.name = slash ? slash + 1 : *argv, .parent_fd = -1};
	struct supervisor s = {.name = r.name,
			       .dir = &r.dir,
			       .limit_s = limit_s,
			       .life_fd = -1,
			       .report_fd = -1};
	struct error e = {0};
	bool is_inner = program_env("COG_RUN_DIR");
	int status;
	r.dir.fd = r.dir.lock_fd = -1;
	if (make_directory(&r, argv, &e) || supervisor_start(&s, argv, is_nohup, &e)) {
		status = program_fail(&e, is_recorded);
	} else {
		if (supervisor_wait(&s, &e) && *e.text) {
			struct error ignored;
			if (is_recorded)
				(void)event_error(&e, NULL, &ignored);
			/* A signal comes to a run and those inside of it: the outer says so. */
			if (!is_inner || e.status != STATUS_INTERRUPTED)
				say("", "", e.text);
		}
		if (e.status == STATUS_TEMPORARY)
			keep_layout(&r);
		else if (e.status == STATUS_OK)
			forget_kept(&r);
		status = (int)e.status;
	}
	workdir_release(&r.dir);
	supervisor_release(&s);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"max-time", required_argument, NULL, OPTION_MAX_TIME},
		PROGRAM_OPTIONS,
	};
	struct sigaction hangup;
	bool is_recorded = false;
	int64_t limit_s = 0;
	struct error e = {0};
	int option;
	sigaction(SIGHUP, NULL, &hangup);
	program_init("cog-run", usage);
	program_keep_secrets();
	while ((option = program_option(argc, argv, "+j", options)) != -1) {
		if (option == 'j')
			is_recorded = true;
		else if (program_number("--max-time", optarg, 1, &limit_s, &e))
			return program_usage(&e);
	}
	if (optind == argc)
		return program_misused("expected COMMAND");
	if (limit_s > SECONDS_MAX)
		limit_s = SECONDS_MAX;
	return run(argv + optind, limit_s, hangup.sa_handler == SIG_IGN, is_recorded);
}
