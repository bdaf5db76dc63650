/* SPDX-License-Identifier: Apache-2.0 */
/* supervise: a command and all that it starts, as one: stopped together, gone together. It prints
 * nothing. One supervisor at a time in a process, which must have no other children. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "error.h"
#include "workdir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SUPERVISE_REPORT_FD 9 /* of the command */

struct supervisor {
	const char *name;    /* of the run, for its lines; borrowed */
	struct workdir *dir; /* removed by the guard if we are killed; borrowed */
	int64_t limit_s;     /* after so many seconds the run is stopped; 0: never */
	int report_fd, life_fd;
	pid_t guard, command;
	int64_t start_ms;
	int64_t deadline_ms; /* the end of the grace; -1 while all is well */
	int interrupts;
	bool is_killed, is_reaped;
	bool is_silent;	 /* the report has ended: all are gone */
	char text[2048]; /* the start of the report */
	size_t text_len;
	bool has_verdict;
	struct error verdict;
};

/* Catches INT, TERM, HUP, TSTP and CHLD from here on (not HUP if IS_NOHUP) and starts the command.
 * That it can't be executed comes out of supervisor_wait(). Call supervisor_release() in any case. */
int supervisor_start(struct supervisor *s, char **argv, bool is_nohup, struct error *e);

/* Blocks until the command and all of its process group have ended, or were killed. E gets the first
 * failure: the status and a whole line, "prog: what: why", which is empty when the command ended
 * with a status without a word. Returns 0, or -1 when something failed. */
int supervisor_wait(struct supervisor *s, struct error *e);

/* Ends the guard: to be called when the directory is gone. */
void supervisor_release(struct supervisor *s);

#endif
