/* SPDX-License-Identifier: Apache-2.0 */
/* cog-docker-save: runs a command with an image of docker as its standard input. */
#include "engine.h"
#include "program.h"

#include <errno.h>
#include <unistd.h>

static const char usage[] =
	"usage: cog-docker-save [-v] SOCKET IMAGE COMMAND [ARGUMENT...]\n"
	"Asks docker's daemon at SOCKET, a path, for IMAGE, and becomes COMMAND with the saved image as its\n"
	"standard input: what docker save IMAGE | COMMAND does, without the copy into a pipe.\n"
	"\n"
	"  -v, --verbose  say what is asked for\n"
	"  -h, --help     print this and exit\n"
	"  -V, --version  print the version and exit\n";

static const struct option options[] = {PROGRAM_OPTIONS};

static void run(const char *socket, const char *image, char **command, struct error *e)
{
	int fd = engine_export(socket, image, e);
	if (fd < 0)
		return;
	if (dup2(fd, STDIN_FILENO) < 0) {
		error_errno(e, "standard input");
		return;
	}
	if (fd != STDIN_FILENO)
		close(fd);
	execvp(*command, command);
	error_errno(e, "%s", *command);
}

int main(int argc, char **argv)
{
	struct error e = {0};
	program_init("cog-docker-save", usage);
	/* The options of COMMAND are its own. */
	if (program_option(argc, argv, "+", options) != -1)
		return program_misused("no such option");
	if (argc - optind < 3)
		return program_misused("expected SOCKET IMAGE COMMAND");
	if (!engine_is_name(argv[optind + 1]))
		return program_misused("'%.200s': not the name or ID of an image", argv[optind + 1]);
	run(argv[optind], argv[optind + 1], argv + optind + 2, &e);
	return program_fail(&e, true);
}
