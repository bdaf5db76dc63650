/* SPDX-License-Identifier: Apache-2.0 */
/* cog-login: checks a user and a password against a registry, then stores them where docker does. */
#include "credential.h"
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
	"usage: cog-login [OPTION...] REGISTRY\n"
	"Checks a user name and a password against REGISTRY (host[:port], docker.io) and stores them\n"
	"where docker does: in the credential helper that its config names, else in the config.\n"
	"\n"
	"  -u, --username USER      the user; asked for on the terminal if left out\n"
	"      --password-stdin     read the password from stdin; without it it is asked for\n"
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_STDIN = 256, INTERRUPT_CHECK_MS = 200 };

static const struct option options[] = {
	{"username", required_argument, NULL, 'u'},
	{"password-stdin", no_argument, NULL, OPTION_STDIN},
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

/* Reads all of stdin, without the end of its last line: a password may be a JSON document. */
static int read_stdin(char *text, size_t size, struct error *e)
{
	size_t len = 0;
	ssize_t n;
	while ((n = read(STDIN_FILENO, text + len, size - len)) != 0) {
		if (program_is_interrupted())
			return program_interrupted(e);
		if (n < 0)
			return error_errno(e, "stdin");
		len += (size_t)n;
		if (len == size)
			return error_set(e, STATUS_USAGE, "stdin: more than %zu bytes", size - 1);
	}
	if (len && text[len - 1] == '\n')
		len--;
	if (len && text[len - 1] == '\r')
		len--;
	text[len] = '\0';
	if (strlen(text) != len)
		return error_set(e, STATUS_USAGE, "stdin: a password has no NUL byte");
	return 0;
}

/* Reads one line of a terminal into LINE, without its end. */
static int read_line(int fd, char *line, size_t size, struct error *e)
{
	size_t len = 0;
	for (;;) {
		char c;
		struct pollfd p = {.fd = fd, .events = POLLIN};
		/* A signal may come just before the wait for a key. */
		int ready = poll(&p, 1, INTERRUPT_CHECK_MS);
		if (program_is_interrupted())
			return program_interrupted(e);
		if (ready <= 0)
			continue;
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return error_errno(e, "read");
		if (n == 0 || c == '\n')
			break;
		if (len + 1 == size)
			return error_set(e, STATUS_USAGE, "more than %zu bytes", size - 1);
		line[len++] = c;
	}
	while (len && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return 0;
}

/* Asks on the terminal. */
static int prompt(const char *what, bool is_secret, char *line, size_t size, struct error *e)
{
	struct termios old, quiet;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_set(e, STATUS_USAGE, "no terminal to ask for the %s: use --username and "
						  "--password-stdin", what);
	bool is_quiet = is_secret && tcgetattr(fd, &old) == 0;
	if (is_quiet) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fd, TCSAFLUSH, &quiet);
	}
	dprintf(fd, "%s: ", what);
	int rc = read_line(fd, line, size, e);
	if (is_quiet) {
		tcsetattr(fd, TCSAFLUSH, &old);
		dprintf(fd, "\n");
	}
	close(fd);
	return rc;
}

static int read_credential(const char *user, bool is_stdin, struct credential *c, struct error *e)
{
	c->kind = CREDENTIAL_PASSWORD;
	if (user && strlen(user) >= sizeof c->user)
		return error_set(e, STATUS_USAGE, "the user name is too long");
	if (user)
		snprintf(c->user, sizeof c->user, "%s", user);
	else if (prompt("Username", false, c->user, sizeof c->user, e))
		return -1;
	if (!*c->user || strchr(c->user, ':'))
		return error_set(e, STATUS_USAGE, "a user name is not empty and has no colon");
	if (is_stdin ? read_stdin(c->secret, sizeof c->secret, e)
		     : prompt("Password", true, c->secret, sizeof c->secret, e))
		return -1;
	return *c->secret ? 0 : error_set(e, STATUS_USAGE, "the password is empty");
}

static int login(const struct reference *repository, const struct trust_options *trust,
		 const struct credential *c, struct error *e)
{
	char where[PATH_MAX];
	struct registry r;
	int rc = registry_open(&r, repository, trust, c, e);
	if (rc == 0)
		rc = registry_login(&r, e);
	registry_release(&r);
	if (rc == 0)
		rc = credential_store(repository->registry, c, where, sizeof where, e);
	if (rc == 0)
		program_say("stored in %s", where);
	return rc;
}

int main(int argc, char **argv)
{
	struct trust_options trust;
	struct credential c = {CREDENTIAL_NONE, "", ""};
	struct reference repository;
	const char *user = NULL;
	bool is_stdin = false;
	struct error e = {0};
	int option;

	program_init("cog-login", usage);
	program_keep_secrets();
	trust_options_init(&trust);
	while ((option = program_option(argc, argv, "u:", options)) != -1) {
		switch (option) {
		case 'u':
			user = optarg;
			break;
		case OPTION_STDIN:
			is_stdin = true;
			break;
		default:
			if (trust_option(&trust, option, optarg, &e))
				return program_usage(&e);
		}
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: REGISTRY");
	if (reference_parse_registry(&repository, argv[optind], &e))
		return program_usage(&e);
	if (read_credential(user, is_stdin, &c, &e) == 0)
		(void)login(&repository, &trust, &c, &e);
	credential_clear(&c);
	return program_fail(&e, false);
}
