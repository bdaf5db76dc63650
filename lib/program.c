/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include "digest.h"
#include "event.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0"
#endif

static const char *program_name = "?", *program_usage_text = "";
static bool is_verbose;
static volatile sig_atomic_t caught; /* signals; 2: or more */

static void catch(int signal)
{
	(void)signal;
	if (caught < 2)
		caught++;
}

/* A closed 0, 1 or 2 would be the number of the next file that is opened, and records would go into
 * it. What stands in for a closed stdout can't be written to: its loss is a failure. */
static void open_standard(void)
{
	static const int modes[] = {O_RDONLY, O_RDONLY, O_RDWR};
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd]);
}

void program_init(const char *name, const char *usage)
{
	program_name = name;
	program_usage_text = usage;
	open_standard();
	struct sigaction action = {.sa_handler = catch};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	/* Where it is ignored the system drops the statuses of children. */
	action.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static int print(const char *text)
{
	struct error e = {0};
	if (file_write(STDOUT_FILENO, "stdout", text, strlen(text), &e))
		return program_fail(&e, false);
	return STATUS_OK;
}

static int print_version(void)
{
	char line[128];
	snprintf(line, sizeof line, "%s %s\n", program_name, VERSION);
	return print(line);
}

/* WORD is the last that getopt_long() has read; it may be inside the next still if it does not know a
 * letter. It knows an option whose value is missing or too much. */
static int misused(const char *word, const char *letters)
{
	if (optopt == 0)
		return program_misused("unknown option %s", word);
	if (optopt <= UCHAR_MAX && !strchr(letters, optopt))
		return program_misused("unknown option -%c", optopt);
	return program_misused(strchr(word, '=') ? "%s: takes no value" : "%s needs a value", word);
}

int program_option(int argc, char **argv, const char *own_letters, const struct option *options)
{
	char letters[32];
	int option;
	snprintf(letters, sizeof letters, "%svhV", own_letters);
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, options, NULL)) == 'v')
		is_verbose = true;
	if (option == 'h')
		exit(print(program_usage_text));
	if (option == 'V')
		exit(print_version());
	if (option == '?')
		exit(misused(argv[optind - 1], letters));
	return option;
}

bool program_is_interrupted(void)
{
	return caught != 0;
}

bool program_is_urged(void)
{
	return caught > 1;
}

int program_interrupted(struct error *e)
{
	return error_set(e, STATUS_INTERRUPTED, "interrupted");
}

void program_keep_secrets(void)
{
	struct rlimit core;
	if (getrlimit(RLIMIT_CORE, &core))
		return;
	core.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &core);
}

/* Whether a program of the run has said TEXT before: the first leaves a file. */
static bool is_repeated(const char *text)
{
	char path[PATH_MAX];
	struct digest d;
	const char *dir = program_env("COG_RUN_DIR");
	if (!dir || !program_env(PROGRAM_REPORT_ENV))
		return false;
	digest_of(&d, text, strlen(text));
	int n = snprintf(path, sizeof path, "%s/warned.%.32s", dir, digest_hex(&d));
	if (n < 0 || (size_t)n >= sizeof path)
		return false;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST;
	close(fd);
	return false;
}

__attribute__((format(printf, 2, 0)))
static void say(const char *kind, const char *format, va_list args)
{
	char text[1024], line[1200];
	vsnprintf(text, sizeof text, format, args);
	error_clean(text);
	if (*kind && is_repeated(text))
		return;
	snprintf(line, sizeof line, "%s: %s%s\n", program_name, kind, text);
	/* One write, so that lines of parallel programs stay whole; stderr that is gone is no news. */
	ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
	(void)ignored;
}

void program_warn(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say("warning: ", format, args);
	va_end(args);
}

void program_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say("", format, args);
	va_end(args);
}

bool program_is_verbose(void)
{
	return is_verbose;
}

void program_trace(const char *format, ...)
{
	if (!is_verbose)
		return;
	va_list args;
	va_start(args, format);
	say("", format, args);
	va_end(args);
}

const char *program_env(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

int program_number(const char *name, const char *text, int64_t least, int64_t *number,
		   struct error *e)
{
	char *end = NULL;
	errno = 0;
	long long value = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
	if (!end || *end || errno || value < least)
		return error_set(e, STATUS_USAGE, "%s: '%.100s' is not a number of at least %lld", name,
				 text, (long long)least);
	*number = value;
	return 0;
}

int program_bytes(const char *name, const char *text, int64_t least, const char *per, int64_t *bytes,
		  struct error *e)
{
	static const char units[] = "kMG";
	static const int64_t most = INT64_C(1) << 50;
	char number[32];
	struct error ignored;
	size_t len = strlen(text), shift = 0;
	const char *unit = len > 1 ? strchr(units, text[len - 1]) : NULL;
	if (len > 1 && !unit && strchr("Kmg", text[len - 1]))
		unit = strchr(units, text[len - 1] ^ 0x20);
	if (unit) {
		shift = 10 * (size_t)(unit - units + 1);
		len--;
	}
	int64_t value = 0;
	snprintf(number, sizeof number, "%.*s", (int)(len < sizeof number ? len : 0), text);
	if (program_number(name, number, least, &value, &ignored) || value > most >> shift)
		return error_set(e, STATUS_USAGE,
				 "%s: '%.40s' is not a number of bytes%s, such as 500k or 2M", name, text,
				 per);
	*bytes = value << shift;
	return 0;
}

int program_env_number(const char *name, int64_t least, int64_t *number, struct error *e)
{
	const char *text = program_env(name);
	return text ? program_number(name, text, least, number, e) : 0;
}

int program_threads(const char *text, int most, int *threads, struct error *e)
{
	int64_t count = sysconf(_SC_NPROCESSORS_ONLN);
	if (text ? program_number("--threads", text, 1, &count, e)
		 : program_env_number("COG_PUSH_THREADS", 1, &count, e))
		return -1;
	*threads = count > most ? most : count > 1 ? (int)count : 1;
	return 0;
}

static void report(const struct error *e, const char *text)
{
	char line[1024];
	const char *fd = program_env(PROGRAM_REPORT_ENV);
	struct error ignored;
	if (fd) {
		snprintf(line, sizeof line, "%d\t%s: %s\n", (int)e->status, program_name, text);
		if (file_write(atoi(fd), "report", line, strlen(line), &ignored) == 0)
			return;
	}
	snprintf(line, sizeof line, "%s: %s\n", program_name, text);
	(void)file_write(STDERR_FILENO, "stderr", line, strlen(line), &ignored);
}

int program_fail(const struct error *e, bool is_recorded)
{
	if (e->status == STATUS_OK)
		return STATUS_OK;
	struct error ignored = {0};
	if (is_recorded)
		(void)event_error(e, NULL, &ignored);
	report(e, e->text);
	return (int)e->status;
}

int program_usage(const struct error *e)
{
	char text[ERROR_TEXT_SIZE + 100];
	snprintf(text, sizeof text, "%s (try '%s --help')", e->text, program_name);
	report(e, text);
	return STATUS_USAGE;
}

int program_misused(const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	struct error e = {0};
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	error_set(&e, STATUS_USAGE, "%s", text);
	return program_usage(&e);
}
