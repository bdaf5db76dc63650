/* SPDX-License-Identifier: Apache-2.0 */
/* oci-manifest-edit: a manifest or index out of another one of a layout. */
#include "layout.h"
#include "program.h"
#include "revision.h"

static const char usage[] =
	"usage: oci-manifest-edit [-v] [-i NAME|DIGEST] [--annotation KEY=VALUE]... [--docker-types]\n"
	"                         [--no-attestations] [--platform OS/ARCHITECTURE[/VARIANT]] DIR\n"
	"Makes a manifest or index out of one in the OCI layout DIR, adds it there without a name, and\n"
	"writes records about it on stdout, its image record last. Configs and layers stay what they are.\n"
	"\n"
	"      --annotation KEY=VALUE  of the manifest or index; may come several times\n"
	"      --docker-types          manifests and layers with docker's media types\n"
	"  -i, --image NAME|DIGEST     what to make it of; needed if there are several\n"
	"      --no-attestations       leave what a builder attests out of an index\n"
	"      --platform PLATFORM     one image of an index\n"
	"  -v, --verbose               say more on stderr\n"
	"  -h, --help                  print this and exit\n"
	"  -V, --version               print the version and exit\n";

enum { OPTION_ANNOTATION = 256, OPTION_DOCKER_TYPES, OPTION_NO_ATTESTATIONS, OPTION_PLATFORM };

static const struct option options[] = {
	{"annotation", required_argument, NULL, OPTION_ANNOTATION},
	{"docker-types", no_argument, NULL, OPTION_DOCKER_TYPES},
	{"image", required_argument, NULL, 'i'},
	{"no-attestations", no_argument, NULL, OPTION_NO_ATTESTATIONS},
	{"platform", required_argument, NULL, OPTION_PLATFORM},
	PROGRAM_OPTIONS,
};

static void run(const struct revision *r, const char *dir, const char *selector, struct error *e)
{
	struct layout layout;
	struct descriptor root;
	int rc = layout_open(&layout, dir, e) || layout_find(&layout, selector, &root, e) ? -1 : 0;
	layout_release(&layout);
	if (rc)
		return;
	if (layout_create(&layout, dir, e) == 0)
		(void)revision_make(&layout, r, &root, e);
	layout_release(&layout);
}

int main(int argc, char **argv)
{
	struct revision r = {0};
	struct platform platform;
	const char *selector = NULL;
	struct error e = {0};
	int option, rc = 0;

	program_init("oci-manifest-edit", usage);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		switch (option) {
		case OPTION_ANNOTATION:
			rc = annotations_add(&r.annotations, optarg, &e);
			break;
		case OPTION_DOCKER_TYPES:
			r.is_docker = true;
			break;
		case OPTION_NO_ATTESTATIONS:
			r.has_no_attestations = true;
			break;
		case OPTION_PLATFORM:
			rc = platform_parse(&platform, optarg, &e);
			r.platform = &platform;
			break;
		default:
			selector = optarg;
			break;
		}
		if (rc)
			return program_usage(&e);
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: DIR");
	if (r.is_docker && r.annotations.count)
		return program_misused("--annotation: docker's manifests have no annotations");
	run(&r, argv[optind], selector, &e);
	return e.status == STATUS_USAGE ? program_usage(&e) : program_fail(&e, true);
}
