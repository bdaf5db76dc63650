/* SPDX-License-Identifier: Apache-2.0 */
#include "credhelper.h"

#include "buffer.h"
#include "clock.h"
#include "json.h"
#include "program.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20, NAME_MAX_LEN = 64 };

#define NOT_FOUND "credentials not found in native keychain"

/* A helper that runs. */
struct child {
	pid_t pid;
	int to, from; /* its stdin, its stdout */
	int64_t deadline_ms;
};

/* Under cog-run a helper stays in the process group of the run, which is ended as a whole; else it
 * gets one of its own, so that what it has started can be ended with it. */
static bool has_own_group(void)
{
	return !program_env(PROGRAM_REPORT_ENV);
}

static void become(const char *program, const char *verb, int in, int out)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)verb, NULL};
	if (has_own_group())
		setpgid(0, 0);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	/* Outside of the terminal's foreground: what asks there is to fail rather than to stop. */
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	unsetenv("DOCKER_AUTH_CONFIG");
	execvp(program, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct child *c, const char *program, const char *verb, struct error *e)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	if (pipe(in) || pipe(out)) {
		error_errno(e, "pipe");
		if (in[0] >= 0) {
			close(in[0]);
			close(in[1]);
		}
		return -1;
	}
	for (int i = 0; i < 2; i++) {
		fcntl(in[i], F_SETFD, FD_CLOEXEC);
		fcntl(out[i], F_SETFD, FD_CLOEXEC);
	}
	c->pid = fork();
	if (c->pid == 0)
		become(program, verb, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	c->to = in[1];
	c->from = out[0];
	if (c->pid > 0) {
		if (has_own_group())
			setpgid(c->pid, c->pid);
		fcntl(c->to, F_SETFL, O_NONBLOCK);
		return 0;
	}
	close(c->to);
	close(c->from);
	return error_errno(e, "fork");
}

static int too_slow(const char *program, struct error *e)
{
	return error_set(e, STATUS_FAILED, "%s: no answer in %d s", program, CREDHELPER_TIMEOUT_S);
}

/* Reads until the helper closes its stdout. 0, or -1 at the deadline or a signal. */
static int collect(const struct child *c, const char *program, struct buffer *out, struct error *e)
{
	char block[4096];
	for (;;) {
		struct pollfd p = {.fd = c->from, .events = POLLIN};
		int64_t left = c->deadline_ms - clock_now_ms();
		if (program_is_interrupted())
			return program_interrupted(e);
		if (left <= 0)
			return too_slow(program, e);
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		ssize_t n = read(c->from, block, sizeof block);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return error_errno(e, "%s", program);
		int rc = n > 0 ? buffer_append(out, block, (size_t)n, e) : 0;
		OPENSSL_cleanse(block, sizeof block);
		if (rc)
			return error_set(e, STATUS_FAILED, "%s: its answer is too long", program);
	}
}

/* Waits for the end of a helper that has closed its stdout. */
static int wait_for(const struct child *c, const char *program, int *status, struct error *e)
{
	const struct timespec pause = {0, 5 * 1000 * 1000};
	while (waitpid(c->pid, status, WNOHANG) == 0) {
		if (program_is_interrupted())
			return program_interrupted(e);
		if (clock_now_ms() > c->deadline_ms)
			return too_slow(program, e);
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Gives INPUT to the helper, which has closed its stdin if that fails: it has its reasons. */
static int feed(struct child *c, const char *program, const char *input, struct error *e)
{
	size_t len = strlen(input);
	ssize_t n = write(c->to, input, len);
	close(c->to);
	if (n >= 0 && (size_t)n < len)
		return error_set(e, STATUS_FAILED, "%s: does not read its input", program);
	return 0;
}

/* Runs "docker-credential-NAME VERB" with INPUT. Returns its exit status, or -1. */
static int run(const char *name, const char *verb, const char *input, struct buffer *out,
	       struct error *e)
{
	char program[NAME_MAX_LEN + 32];
	struct child c = {.deadline_ms = clock_now_ms() + CREDHELPER_TIMEOUT_S * 1000};
	int status = 0;
	if (!*name || strchr(name, '/') || strlen(name) > NAME_MAX_LEN)
		return error_set(e, STATUS_FAILED, "'%.64s': not the name of a credential helper", name);
	snprintf(program, sizeof program, "docker-credential-%s", name);
	if (start(&c, program, verb, e))
		return -1;
	int rc = feed(&c, program, input, e);
	if (rc == 0)
		rc = collect(&c, program, out, e);
	close(c.from);
	if (rc == 0)
		rc = wait_for(&c, program, &status, e);
	if (rc) {
		kill(has_own_group() ? -c.pid : c.pid, SIGKILL);
		while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
			;
		return -1;
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	if (status == 126 || status == 127)
		return error_set(e, STATUS_FAILED, "%s: %s", program,
				 status == 127 ? "not in PATH" : "can't be run");
	return status;
}

static bool says_not_found(const struct buffer *out)
{
	const char *text = out->data ? out->data : "";
	size_t skip = strspn(text, " \t\r\n");
	return strncmp(text + skip, NOT_FOUND, sizeof NOT_FOUND - 1) == 0;
}

/* What a helper says when it fails is a message, by the protocol. What looks like an answer is not
 * shown: there may be a secret in it. */
static int failed(const char *name, int status, const struct buffer *out, struct error *e)
{
	const char *text = out->data ? out->data : "";
	text += strspn(text, " \t\r\n");
	if (*text && !strpbrk(text, "{}\""))
		return error_set(e, STATUS_FAILED, "docker-credential-%s: %.*s", name,
				 (int)strcspn(text, "\r\n") < 100 ? (int)strcspn(text, "\r\n") : 100,
				 text);
	return error_set(e, STATUS_FAILED, "docker-credential-%s: ended with status %d", name, status);
}

static int parse(const char *name, const struct buffer *out, struct login *login, struct error *e)
{
	struct error hidden;
	json_t *root = json_parse("", out->data, out->len, &hidden);
	const char *user = json_text(root, "Username"), *secret = json_text(root, "Secret");
	int rc = 1;
	if (secret && !*secret) {
		rc = 0;
	} else if (!user || !secret || strlen(user) >= sizeof login->user ||
		   strlen(secret) >= sizeof login->secret) {
		rc = error_set(e, STATUS_FAILED, "docker-credential-%s: its answer is not understood",
			       name);
	} else {
		snprintf(login->user, sizeof login->user, "%s", user);
		snprintf(login->secret, sizeof login->secret, "%s", secret);
	}
	json_decref(root);
	return rc;
}

int credhelper_get(const char *name, const char *key, struct login *login, struct error *e)
{
	struct buffer out;
	buffer_init(&out, OUTPUT_MAX);
	int rc = -1;
	int status = run(name, "get", key, &out, e);
	if (status == 0)
		rc = parse(name, &out, login, e);
	else if (status > 0)
		rc = says_not_found(&out) ? 0 : failed(name, status, &out, e);
	buffer_wipe(&out);
	return rc;
}

int credhelper_store(const char *name, const char *key, const struct login *login,
		     struct error *e)
{
	struct buffer out;
	buffer_init(&out, OUTPUT_MAX);
	json_t *object = json_pack("{s:s, s:s, s:s}", "ServerURL", key, "Username", login->user,
				   "Secret", login->secret);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!text)
		return error_set(e, STATUS_FAILED, "the user or password is not UTF-8");
	int status = run(name, "store", text, &out, e);
	OPENSSL_cleanse(text, strlen(text));
	free(text);
	if (status > 0)
		failed(name, status, &out, e);
	buffer_wipe(&out);
	return status ? -1 : 0;
}

int credhelper_erase(const char *name, const char *key, struct error *e)
{
	struct buffer out;
	buffer_init(&out, OUTPUT_MAX);
	int rc = -1;
	int status = run(name, "erase", key, &out, e);
	if (status >= 0)
		rc = status == 0 ? 0 : says_not_found(&out) ? 1 : failed(name, status, &out, e);
	buffer_wipe(&out);
	return rc;
}
