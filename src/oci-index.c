/* SPDX-License-Identifier: Apache-2.0 */
/* oci-index: an index out of the manifests in a layout. */
#include "composition.h"
#include "entry.h"
#include "layout.h"
#include "program.h"

#include <stdlib.h>

static const char usage[] =
	"usage: oci-index [-v] --tag NAME [--annotation KEY=VALUE]... [--artifact-type TYPE] [--bundle]\n"
	"                 DIR NAME|DIGEST[=OS/ARCHITECTURE[/VARIANT]]...\n"
	"Composes an index of manifests in the OCI layout DIR, under a name there. The platform of an image\n"
	"is in its config, unless it is given.\n"
	"\n"
	"      --annotation KEY=VALUE  of the index; may come several times\n"
	"      --artifact-type TYPE    the media type that says what the index is\n"
	"      --bundle                images and weights as cog has them\n"
	"      --tag NAME              the name of the index in DIR; one that exists moves\n"
	"  -v, --verbose               say more on stderr\n"
	"  -h, --help                  print this and exit\n"
	"  -V, --version               print the version and exit\n";

enum { OPTION_ANNOTATION = 256, OPTION_TYPE, OPTION_BUNDLE, OPTION_TAG };

static const struct option options[] = {
	{"annotation", required_argument, NULL, OPTION_ANNOTATION},
	{"artifact-type", required_argument, NULL, OPTION_TYPE},
	{"bundle", no_argument, NULL, OPTION_BUNDLE},
	{"tag", required_argument, NULL, OPTION_TAG},
	PROGRAM_OPTIONS,
};

struct job {
	const char *dir, *tag;
	const char *artifact_type; /* NULL for none */
	bool is_bundle;
	struct annotations annotations;
	char **operands; /* NULL at the end */
};

/* The caller frees it. */
static char *compose(const struct job *job, struct error *e)
{
	struct layout layout;
	struct composition *c = NULL;
	char *text = NULL;
	if (layout_open(&layout, job->dir, e))
		goto out;
	c = composition_new(&layout, job->is_bundle);
	for (char **operand = job->operands; *operand; operand++)
		if (composition_add(c, *operand, e))
			goto out;
	text = composition_format(c, job->artifact_type, &job->annotations, e);
out:
	composition_free(c);
	layout_release(&layout);
	return text;
}

static void run(const struct job *job, struct error *e)
{
	struct layout layout;
	char *text = compose(job, e);
	if (!text)
		return;
	const struct entry entry = {.text = text,
				    .tag = job->tag,
				    .artifact_type = job->artifact_type,
				    .kind = KIND_INDEX};
	if (layout_create(&layout, job->dir, e) == 0)
		(void)entry_add(&layout, &entry, e);
	layout_release(&layout);
	free(text);
}

int main(int argc, char **argv)
{
	struct job job = {0};
	struct error e = {0};
	int option;

	program_init("oci-index", usage);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		switch (option) {
		case OPTION_ANNOTATION:
			if (annotations_add(&job.annotations, optarg, &e)) {
				error_prefix(&e, "--annotation");
				return program_usage(&e);
			}
			break;
		case OPTION_TYPE:
			job.artifact_type = optarg;
			break;
		case OPTION_BUNDLE:
			job.is_bundle = true;
			break;
		default:
			job.tag = optarg;
			break;
		}
	}
	if (argc - optind < 2)
		return program_misused("expected DIR MANIFEST...");
	if (!job.tag)
		return program_misused("--tag is missing");
	if (job.artifact_type && !descriptor_is_media_type(job.artifact_type))
		return program_misused("--artifact-type: '%.200s' is not a media type", job.artifact_type);
	if (entry_check_tag(job.tag, &e)) {
		error_prefix(&e, "--tag");
		return program_usage(&e);
	}
	job.dir = argv[optind];
	job.operands = argv + optind + 1;
	run(&job, &e);
	return e.status == STATUS_USAGE ? program_usage(&e) : program_fail(&e, true);
}
