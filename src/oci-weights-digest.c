/* SPDX-License-Identifier: Apache-2.0 */
/* oci-weights-digest: what a folder of weight files will be as a weight, before anything is packed. */
#include "event.h"
#include "folder.h"
#include "hashes.h"
#include "pool.h"
#include "program.h"
#include "weight.h"

#include <stdlib.h>

static const char usage[] =
	"usage: oci-weights-digest [-v] --name NAME [--target PATH] [--files FILE] [--threads N] SRC\n"
	"Hashes the files in the folder SRC and writes records on stdout, the last with the digest of the\n"
	"set, its size, and the tag that oci-from-weights would give it. Refuses what can be in no weight.\n"
	"\n"
	"      --name NAME    what the weight is called\n"
	"      --target PATH  the folder in the container; it is only checked\n"
	"      --files FILE   keep the digests of the files in FILE, for oci-from-weights --files\n"
	"      --threads N    hash on N processors; all of them by default\n"
	"  -v, --verbose      say more on stderr\n"
	"  -h, --help         print this and exit\n"
	"  -V, --version      print the version and exit\n";

enum { OPTION_NAME = 256, OPTION_TARGET, OPTION_FILES, OPTION_THREADS };

static const struct option options[] = {
	{"name", required_argument, NULL, OPTION_NAME},
	{"target", required_argument, NULL, OPTION_TARGET},
	{"files", required_argument, NULL, OPTION_FILES},
	{"threads", required_argument, NULL, OPTION_THREADS},
	PROGRAM_OPTIONS,
};

struct job {
	const char *source, *name;
	const char *target, *files; /* may be NULL */
	int threads;
};

static int tell(const struct job *job, const struct folder *f, struct error *e)
{
	struct weight_file *files = calloc(f->count, sizeof *files);
	struct digest set_digest;
	char tag[WEIGHT_TAG_SIZE];
	if (!files)
		return error_errno(e, "memory");
	for (size_t i = 0; i < f->count; i++) {
		files[i].path = f->files[i].path; /* borrowed */
		files[i].digest = f->files[i].digest;
	}
	weight_set_digest(files, f->count, &set_digest);
	free(files);
	weight_tag(tag, job->name, &set_digest);
	return event_weight(job->name, &set_digest, tag, f->bytes, e);
}

static void run(const struct job *job, struct error *e)
{
	struct folder f = {.fd = -1};
	if (weight_check_name(job->name, e) || (job->target && weight_check_target(job->target, e)))
		return;
	if (folder_open(&f, job->source, -1, e) == 0) {
		program_trace("hash %zu files of %lld bytes", f.count, (long long)f.bytes);
		if (folder_hash(&f, job->threads, true, e) == 0 &&
		    (!job->files || hashes_write(job->files, &f, e) == 0))
			(void)tell(job, &f, e);
	}
	folder_release(&f);
}

int main(int argc, char **argv)
{
	struct job job = {0};
	const char *threads = NULL;
	struct error e = {0};
	int option;

	program_init("oci-weights-digest", usage);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		switch (option) {
		case OPTION_NAME:
			job.name = optarg;
			break;
		case OPTION_TARGET:
			job.target = optarg;
			break;
		case OPTION_FILES:
			job.files = optarg;
			break;
		default:
			threads = optarg;
			break;
		}
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: SRC");
	if (!job.name)
		return program_misused("--name is missing");
	job.source = argv[optind];
	if (program_threads(threads, POOL_THREADS_MAX, &job.threads, &e) == 0)
		run(&job, &e);
	return program_fail(&e, true);
}
