/* SPDX-License-Identifier: Apache-2.0 */
/* The command and all that it starts are one process group. Two pipes tell what becomes of them:
 *
 *   - The report: its write end is fd 9 of the command. A program that fails writes
 *     "STATUS TAB line NEWLINE" there. The first in time is the cause: the others are stopped. End
 *     of file means that all of them are gone.
 *   - The life: its only write end is ours. The guard, a process of its own, holds the read end; at
 *     end of file, that is after a kill -9, it stops the group and removes the directory. The
 *     command writes its pid there before it becomes the command, so that none ever runs that the
 *     guard does not know. The guard also shares the lock of the directory, so that nobody sweeps
 *     it meanwhile.
 *
 * To stop is TERM to the group, then KILL after a grace or at a second signal to us. A limit of time
 * is such a signal, but temporary. */
#include "supervise.h"

#include "clock.h"
#include "file.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	GRACE_MS = 5000,       /* from TERM to KILL; an uploader may finish a chunk */
	GUARD_GRACE_MS = 2000, /* the same in the guard */
	POLL_MAX_MS = 1000 * 1000,
	KILLED_MS = 2000,      /* from KILL to giving up on who still holds the report */
};

static int signals[2] = {-1, -1}; /* a pipe: the numbers of the signals that came */

static void catch(int signal)
{
	int saved = errno;
	char byte = (char)signal;
	ssize_t ignored = write(signals[1], &byte, 1);
	(void)ignored;
	errno = saved;
}

static int make_pipe(int fds[2], struct error *e)
{
	if (pipe(fds))
		return error_errno(e, "pipe");
	for (int i = 0; i < 2; i++)
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	return 0;
}

static int catch_signals(bool is_nohup, struct error *e)
{
	if (make_pipe(signals, e))
		return -1;
	fcntl(signals[0], F_SETFL, O_NONBLOCK);
	fcntl(signals[1], F_SETFL, O_NONBLOCK);
	struct sigaction action = {.sa_handler = catch, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	sigaction(SIGCHLD, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGTSTP, &action, NULL);
	if (is_nohup)
		action.sa_handler = SIG_IGN;
	sigaction(SIGHUP, &action, NULL);
	return 0;
}

/* Waits until the report ends. */
static void drain(int fd, int64_t ms)
{
	char block[1024];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (int64_t end = clock_now_ms() + ms, left = ms; left > 0; left = end - clock_now_ms())
		if (poll(&p, 1, (int)left) > 0 && read(fd, block, sizeof block) == 0)
			return;
}

static void guard(struct workdir *dir, int life_fd, int report_fd)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	setpgid(0, 0);
	/* The user's pipes are not ours to hold open. */
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	pid_t command = 0, more;
	if (read(life_fd, &command, sizeof command) == (ssize_t)sizeof command)
		while (read(life_fd, &more, sizeof more) > 0)
			;
	if (command > 1) {
		kill(-command, SIGTERM);
		kill(-command, SIGCONT);
		drain(report_fd, GUARD_GRACE_MS);
		kill(-command, SIGKILL);
		drain(report_fd, KILLED_MS);
	}
	workdir_release(dir);
	_exit(0);
}

/* In the child: becomes the command. */
static void become(char **argv, int life_fd, int report_fd)
{
	char number[16];
	pid_t self = getpid();
	struct error e = {0};
	setpgid(0, 0);
	if (file_write(life_fd, "to the guard", &self, sizeof self, &e))
		_exit(program_fail(&e, false));
	dup2(report_fd, SUPERVISE_REPORT_FD);
	fcntl(SUPERVISE_REPORT_FD, F_SETFD, 0);
	snprintf(number, sizeof number, "%d", SUPERVISE_REPORT_FD);
	setenv(PROGRAM_REPORT_ENV, number, 1);
	signal(SIGPIPE, SIG_DFL);
	/* The group is not the terminal's foreground: a program that asks for a password there is
	 * to fail rather than to stop for ever. */
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	execvp(*argv, argv);
	error_errno(&e, "%s", *argv);
	_exit(program_fail(&e, false));
}

int supervisor_start(struct supervisor *s, char **argv, bool is_nohup, struct error *e)
{
	int report[2], life[2];
	s->report_fd = s->life_fd = -1;
	s->deadline_ms = -1;
	s->start_ms = clock_now_ms();
	if (catch_signals(is_nohup, e) || make_pipe(report, e) || make_pipe(life, e))
		return -1;
	s->report_fd = report[0];
	s->life_fd = life[1];
	s->guard = fork();
	if (s->guard == 0) {
		close(life[1]);
		close(report[1]);
		guard(s->dir, life[0], report[0]);
	}
	if (s->guard > 0)
		s->command = fork();
	if (s->command == 0 && s->guard > 0)
		become(argv, life[1], report[1]);
	close(report[1]);
	close(life[0]);
	if (s->guard < 0 || s->command < 0)
		return error_errno(e, "fork");
	setpgid(s->command, s->command);
	fcntl(s->report_fd, F_SETFL, O_NONBLOCK);
	program_trace("run directory %s, process group %ld", s->dir->name, (long)s->command);
	return 0;
}

static void kill_group(struct supervisor *s)
{
	kill(-s->command, SIGKILL);
	s->is_killed = true;
	s->deadline_ms = clock_now_ms() + KILLED_MS;
}

/* Asks all to end, once. */
static void stop(struct supervisor *s)
{
	if (s->deadline_ms >= 0)
		return;
	kill(-s->command, SIGTERM);
	kill(-s->command, SIGCONT);
	s->deadline_ms = clock_now_ms() + GRACE_MS;
}

/* The first verdict stands. */
static void decide(struct supervisor *s, int status, const char *line)
{
	if (s->has_verdict)
		return;
	s->has_verdict = true;
	error_set(&s->verdict, (enum status)status, "%s", line);
}

static void take_first_line(struct supervisor *s)
{
	char *newline = memchr(s->text, '\n', s->text_len);
	if (!newline && s->text_len < sizeof s->text - 1)
		return;
	*(newline ? newline : s->text + s->text_len) = '\0';
	char *tab = strchr(s->text, '\t');
	int status = tab ? atoi(s->text) : STATUS_FAILED;
	decide(s, status > 0 && status < 256 ? status : STATUS_FAILED, tab ? tab + 1 : s->text);
	stop(s);
}

/* Reads what is there of the report. */
static void read_report(struct supervisor *s)
{
	char scrap[512];
	for (;;) {
		size_t room = sizeof s->text - 1 - s->text_len;
		bool is_wanted = !s->has_verdict && room > 0;
		ssize_t n = read(s->report_fd, is_wanted ? s->text + s->text_len : scrap,
				 is_wanted ? room : sizeof scrap);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			s->is_silent = true;
		if (n <= 0)
			return;
		if (is_wanted) {
			s->text_len += (size_t)n;
			take_first_line(s);
		}
	}
}

/* The command itself has ended. It stays a zombie until the end, so that its process group's number
 * can't come to mean another. What was reported before counts first. */
static void reap(struct supervisor *s)
{
	siginfo_t info = {0};
	if (s->is_reaped || waitid(P_PID, (id_t)s->command, &info, WEXITED | WNOHANG | WNOWAIT) ||
	    info.si_pid == 0)
		return;
	s->is_reaped = true;
	read_report(s);
	char line[128] = "";
	int status = info.si_status;
	if (info.si_code != CLD_EXITED) {
		snprintf(line, sizeof line, "%s: killed by signal %d", s->name, status);
		status = STATUS_FAILED;
	} else if (status == 126 || status == 127) {
		snprintf(line, sizeof line, "%s: a command could not be run", s->name);
		status = STATUS_FAILED;
	}
	decide(s, status, line);
	stop(s);
}

static void interrupt(struct supervisor *s)
{
	char line[128];
	if (++s->interrupts > 1)
		kill_group(s);
	snprintf(line, sizeof line, "%s: interrupted", s->name);
	decide(s, STATUS_INTERRUPTED, line);
	stop(s);
}

/* When there is something to do that no signal and no report tells, at the latest; -1: never. */
static int64_t next_ms(const struct supervisor *s)
{
	if (s->deadline_ms >= 0 || s->limit_s == 0)
		return s->deadline_ms;
	return s->start_ms + s->limit_s * 1000;
}

static void time_out(struct supervisor *s)
{
	char line[128];
	if (s->deadline_ms >= 0) {
		kill_group(s);
		return;
	}
	snprintf(line, sizeof line, "%s: not done after %lld s", s->name, (long long)s->limit_s);
	decide(s, STATUS_TEMPORARY, line);
	stop(s);
}

/* Ctrl-Z reaches us alone. */
static void suspend(const struct supervisor *s)
{
	kill(-s->command, SIGSTOP);
	raise(SIGSTOP);
	kill(-s->command, SIGCONT);
}

static void take_signals(struct supervisor *s)
{
	char signal;
	while (read(signals[0], &signal, 1) == 1) {
		if (signal == SIGCHLD)
			reap(s);
		else if (signal == SIGTSTP)
			suspend(s);
		else
			interrupt(s);
	}
}

int supervisor_wait(struct supervisor *s, struct error *e)
{
	struct pollfd p[] = {{.fd = signals[0], .events = POLLIN}, {.events = POLLIN}};
	while (!s->is_reaped || !s->is_silent) {
		int64_t next = next_ms(s), left = next < 0 ? -1 : next - clock_now_ms();
		if (next >= 0 && left <= 0) {
			if (s->is_killed)
				break;
			time_out(s);
			continue;
		}
		p[1].fd = s->is_silent ? -1 : s->report_fd;
		if (poll(p, 2, left > POLL_MAX_MS ? POLL_MAX_MS : (int)left) < 0)
			continue;
		read_report(s);
		take_signals(s);
	}
	kill(-s->command, SIGKILL);
	(void)waitpid(s->command, NULL, WNOHANG);
	*e = s->verdict;
	return e->status == STATUS_OK ? 0 : -1;
}

void supervisor_release(struct supervisor *s)
{
	if (s->guard > 0) {
		kill(s->guard, SIGKILL);
		waitpid(s->guard, NULL, 0);
		s->guard = 0;
	}
	if (s->life_fd >= 0)
		close(s->life_fd);
	if (s->report_fd >= 0)
		close(s->report_fd);
	s->life_fd = s->report_fd = -1;
}
