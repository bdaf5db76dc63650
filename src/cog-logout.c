/* SPDX-License-Identifier: Apache-2.0 */
/* cog-logout: removes what cog-login or docker login stored for a registry. */
#include "credential.h"
#include "program.h"
#include "reference.h"

#include <limits.h>

static const char usage[] =
	"usage: cog-logout [-v] REGISTRY\n"
	"Removes the credentials of REGISTRY (host[:port], docker.io) from docker's config, or from the\n"
	"credential helper that it names.\n"
	"\n"
	"  -v, --verbose  say on stderr where they were removed\n"
	"  -h, --help     print this and exit\n"
	"  -V, --version  print the version and exit\n";

static const struct option options[] = {PROGRAM_OPTIONS};

int main(int argc, char **argv)
{
	char where[PATH_MAX];
	struct reference repository;
	struct error e = {0};

	program_init("cog-logout", usage);
	(void)program_option(argc, argv, "", options);
	if (argc - optind != 1)
		return program_misused("expected one operand: REGISTRY");
	if (reference_parse_registry(&repository, argv[optind], &e))
		return program_usage(&e);
	int rc = credential_store(repository.registry, NULL, where, sizeof where, &e);
	if (rc == 1)
		program_warn("no credentials for %s in %s", repository.registry, where);
	if (rc == 0)
		program_trace("removed from %s", where);
	return program_fail(&e, false);
}
