/* SPDX-License-Identifier: Apache-2.0 */
/* program: what every main does alike: signals, the common options, numbers from the environment, the
 * one line about a failure. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "error.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* Set by cog-run(1): a descriptor that takes "status TAB line NEWLINE" instead of stderr, so that of
 * several programs only the first cause is shown. */
#define PROGRAM_REPORT_ENV "COG_REPORT_FD"

/* Call first. NAME and USAGE, the text for --help, are borrowed. Handles INT, TERM and HUP (whatever
 * was inherited), ignores PIPE. A closed 0, 1 or 2 becomes /dev/null, of which 1 can't be written
 * to. */
void program_init(const char *name, const char *usage);

/* The last rows of every table of options. */
#define PROGRAM_OPTIONS                                                                            \
	{"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'},                     \
		{"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}

/* As getopt_long(), for a program's own options: the common ones are not among OWN_LETTERS, and in
 * OPTIONS they are PROGRAM_OPTIONS. Ends the program after --help, --version and wrong usage. */
int program_option(int argc, char **argv, const char *own_letters, const struct option *options);

/* Whether a signal asked us to stop. */
bool program_is_interrupted(void);

/* Whether it did so again: what would be finished in a moment is not. */
bool program_is_urged(void);

/* Sets STATUS_INTERRUPTED; returns -1. */
int program_interrupted(struct error *e);

/* The process is going to hold a secret: it leaves no core file from here on. */
void program_keep_secrets(void);

/* A line on stderr: "NAME: warning: ...". Cleaned like an error's text. Under cog-run(1) the same
 * warning comes once a run, however many programs have it. */
void program_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line on stderr that is neither: "NAME: ...". */
void program_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* With -v: a line on stderr. */
bool program_is_verbose(void);
void program_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of an environment variable; NULL when unset or empty. Borrowed. */
const char *program_env(const char *name);

/* TEXT as a number of at least LEAST. NAME (an option or a variable) is for the message.
 * STATUS_USAGE. */
int program_number(const char *name, const char *text, int64_t least, int64_t *number,
		   struct error *e);

/* TEXT as a number of bytes of at least LEAST, where k, M or G is for 1024 times, twice and three times.
 * PER (" a second" or "") is for the message, as NAME is. STATUS_USAGE. */
int program_bytes(const char *name, const char *text, int64_t least, const char *per, int64_t *bytes,
		  struct error *e);

/* The same from an environment variable; *NUMBER stays when it is unset. */
int program_env_number(const char *name, int64_t least, int64_t *number, struct error *e);

/* How many threads to use, 1 to MOST: what TEXT (of the option --threads, may be NULL) says, else
 * COG_PUSH_THREADS, else one for each processor. STATUS_USAGE. */
int program_threads(const char *text, int most, int *threads, struct error *e);

/* Says what failed, once: an error record on stdout (if IS_RECORDED) and the line on stderr or to
 * the supervisor. Returns the exit status. E with status 0 returns 0. */
int program_fail(const struct error *e, bool is_recorded);

/* The same after a wrong usage, with "(try 'NAME --help')"; returns STATUS_USAGE. */
int program_usage(const struct error *e);
int program_misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
