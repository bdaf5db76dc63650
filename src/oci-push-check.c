/* SPDX-License-Identifier: Apache-2.0 */
/* oci-push-check: is the registry there, and may we push? Only an upload session proves the right to
 * push; it is left for the first uploader where programs of a run share a directory. */
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "trust.h"

#include <string.h>

static const char usage[] =
	"usage: oci-push-check [-v] REPO\n"
	"Checks that the registry of REPO (registry/repository) is there and lets us push.\n"
	"\n"
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

static const struct option options[] = {
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

static int check(const struct reference *repository, const struct trust_options *trust,
		 struct error *e)
{
	struct registry r;
	struct session s;
	int rc = -1;
	if (registry_open(&r, repository, trust, NULL, e) || registry_ping(&r, e) ||
	    registry_start(&r, &s, NULL, e))
		goto out;
	rc = registry_share(&r, &s, e);
	if (rc == 0)
		registry_cancel(&r, &s);
out:
	registry_release(&r);
	return rc < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct trust_options trust;
	struct reference repository;
	struct error e = {0};
	int option;

	program_init("oci-push-check", usage);
	trust_options_init(&trust);
	while ((option = program_option(argc, argv, "", options)) != -1)
		if (trust_option(&trust, option, optarg, &e))
			return program_usage(&e);
	if (argc - optind != 1)
		return program_misused("expected one operand: REPO");
	if (reference_parse(&repository, argv[optind], &e))
		return program_usage(&e);
	if (*repository.tag || digest_is_set(&repository.digest))
		return program_misused("'%s': a repository has no tag and no digest", argv[optind]);
	(void)check(&repository, &trust, &e);
	return program_fail(&e, false);
}
