/* SPDX-License-Identifier: Apache-2.0 */
/* oci-from-weights: a folder of weight files to a weight artifact in an OCI layout. */
#include "gzip.h"
#include "program.h"
#include "space.h"
#include "weights.h"

static const char usage[] =
	"usage: oci-from-weights [-v] --name NAME --target PATH [--bundle-file-max BYTES]\n"
	"                        [--bundle-size-max BYTES] [--by-reference] [--compress HOW]\n"
	"                        [--files FILE] [--threads N] DIR SRC\n"
	"Makes a weight artifact, as cog has it, of the files in the folder SRC, adds it to the OCI\n"
	"layout DIR, and writes a record for each finished blob and image on stdout.\n"
	"\n"
	"      --name NAME              what the weight is called\n"
	"      --target PATH            the folder in the container, from / on\n"
	"      --bundle-file-max BYTES  smaller files share a layer; 67108864 by default\n"
	"      --bundle-size-max BYTES  the most bytes of files that share one; 268435456 by default\n"
	"      --by-reference           don't copy large files that stay uncompressed into DIR\n"
	"      --compress HOW           auto, none, gzip, gzip:LEVEL, zstd or zstd:LEVEL\n"
	"      --files FILE             the digests of files, kept by oci-weights-digest\n"
	"      --threads N              hash and compress on N processors; all of them by default\n"
	"  -v, --verbose                say more on stderr\n"
	"  -h, --help                   print this and exit\n"
	"  -V, --version                print the version and exit\n";

enum {
	OPTION_NAME = 256,
	OPTION_TARGET,
	OPTION_FILE_MAX,
	OPTION_SIZE_MAX,
	OPTION_BY_REFERENCE,
	OPTION_COMPRESS,
	OPTION_FILES,
	OPTION_THREADS,
};

static const struct option options[] = {
	{"name", required_argument, NULL, OPTION_NAME},
	{"target", required_argument, NULL, OPTION_TARGET},
	{"bundle-file-max", required_argument, NULL, OPTION_FILE_MAX},
	{"bundle-size-max", required_argument, NULL, OPTION_SIZE_MAX},
	{"by-reference", no_argument, NULL, OPTION_BY_REFERENCE},
	{"compress", required_argument, NULL, OPTION_COMPRESS},
	{"files", required_argument, NULL, OPTION_FILES},
	{"threads", required_argument, NULL, OPTION_THREADS},
	PROGRAM_OPTIONS,
};

int main(int argc, char **argv)
{
	struct weights_job job = {.limits = {PARCEL_FILE_MAX, PARCEL_SIZE_MAX}};
	const char *compress = NULL, *threads = NULL;
	struct error e = {0};
	int option;

	program_init("oci-from-weights", usage);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		switch (option) {
		case OPTION_NAME:
			job.name = optarg;
			break;
		case OPTION_TARGET:
			job.target = optarg;
			break;
		case OPTION_FILE_MAX:
			if (program_number("--bundle-file-max", optarg, 1, &job.limits.file_max, &e))
				return program_usage(&e);
			break;
		case OPTION_SIZE_MAX:
			if (program_number("--bundle-size-max", optarg, 1, &job.limits.size_max, &e))
				return program_usage(&e);
			break;
		case OPTION_BY_REFERENCE:
			job.is_by_reference = true;
			break;
		case OPTION_COMPRESS:
			compress = optarg;
			break;
		case OPTION_FILES:
			job.hashes = optarg;
			break;
		default:
			threads = optarg;
			break;
		}
	}
	if (argc - optind != 2)
		return program_misused("expected two operands: DIR and SRC");
	if (!job.name || !job.target)
		return program_misused("--name and --target are needed");
	job.dir = argv[optind];
	job.source = argv[optind + 1];
	if (program_threads(threads, GZIP_THREADS_MAX, &job.compression.threads, &e) == 0 &&
	    compression_choose(&job.compression, compress, &e) == 0)
		(void)weights_pack(&job, &e);
	space_advise(&e, "choose a DIR on a larger disk");
	return program_fail(&e, true);
}
