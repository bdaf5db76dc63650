/* SPDX-License-Identifier: Apache-2.0 */
/* oci-weights-check: whether a weight in an OCI layout holds the files of a folder. */
#include "layout.h"
#include "pool.h"
#include "program.h"
#include "weightcheck.h"

static const char usage[] =
	"usage: oci-weights-check [-v] [--threads N] DIR NAME SRC\n"
	"Whether the weight NAME (or its tag, or its digest) in the OCI layout DIR holds just the files\n"
	"in the folder SRC. Reads both, and names the first difference.\n"
	"\n"
	"      --threads N  hash on N processors; all of them by default\n"
	"  -v, --verbose    say more on stderr\n"
	"  -h, --help       print this and exit\n"
	"  -V, --version    print the version and exit\n";

enum { OPTION_THREADS = 256 };

static const struct option options[] = {
	{"threads", required_argument, NULL, OPTION_THREADS},
	PROGRAM_OPTIONS,
};

int main(int argc, char **argv)
{
	const char *text = NULL;
	struct layout layout;
	struct error e = {0};
	int threads;

	program_init("oci-weights-check", usage);
	while (program_option(argc, argv, "", options) != -1)
		text = optarg;
	if (argc - optind != 3)
		return program_misused("expected three operands: DIR, NAME and SRC");
	if (program_threads(text, POOL_THREADS_MAX, &threads, &e) == 0) {
		if (layout_open(&layout, argv[optind], &e) == 0)
			(void)weightcheck(&layout, argv[optind + 1], argv[optind + 2], threads, &e);
		layout_release(&layout);
	}
	return program_fail(&e, false);
}
