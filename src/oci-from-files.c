/* SPDX-License-Identifier: Apache-2.0 */
/* oci-from-files: files as an artifact in a layout, in the way of oras push and oras attach. */
#include "artifact.h"
#include "entry.h"
#include "layout.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"usage: oci-from-files [-v] --artifact-type TYPE [--config FILE[:MEDIATYPE]]\n"
	"                      [--subject NAME|DIGEST] [--annotation KEY=VALUE]... [--tag NAME]\n"
	"                      DIR FILE[:MEDIATYPE]...\n"
	"Stores files as an OCI artifact in the layout DIR, as oras does in a registry, and writes a record\n"
	"for each blob and for the artifact on stdout.\n"
	"\n"
	"      --annotation KEY=VALUE     of the manifest; may come several times\n"
	"      --artifact-type TYPE       the media type that says what the artifact is\n"
	"      --config FILE[:MEDIATYPE]  its config; the empty one by default\n"
	"      --subject NAME|DIGEST      the manifest in DIR that it is about\n"
	"      --tag NAME                 its name in DIR; without it, it has none\n"
	"  -v, --verbose                  say more on stderr\n"
	"  -h, --help                     print this and exit\n"
	"  -V, --version                  print the version and exit\n";

enum { OPTION_ANNOTATION = 256, OPTION_TYPE, OPTION_CONFIG, OPTION_SUBJECT, OPTION_TAG };

static const struct option options[] = {
	{"annotation", required_argument, NULL, OPTION_ANNOTATION},
	{"artifact-type", required_argument, NULL, OPTION_TYPE},
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"subject", required_argument, NULL, OPTION_SUBJECT},
	{"tag", required_argument, NULL, OPTION_TAG},
	PROGRAM_OPTIONS,
};

/* The descriptor of the manifest SELECTOR, as what has it for a subject says it. */
static int find_subject(const char *dir, const char *selector, struct descriptor *subject,
			struct error *e)
{
	struct layout layout;
	struct manifest m = {0};
	int rc = -1;
	if (layout_open(&layout, dir, e) == 0 && layout_find(&layout, selector, subject, e) == 0 &&
	    layout_read_manifest(&layout, subject, &m, e) == 0) {
		snprintf(subject->media_type, sizeof subject->media_type, "%s", m.media_type);
		(void)layout_has_blob(&layout, &subject->digest, &subject->size);
		rc = 0;
	}
	manifest_release(&m);
	layout_release(&layout);
	return rc;
}

static void store(const struct artifact *a, const char *dir, const char *tag, struct error *e)
{
	struct layout layout;
	char *text = layout_create(&layout, dir, e) ? NULL : artifact_store(a, &layout, e);
	if (text) {
		const struct entry entry = {
			.text = text, .tag = tag, .artifact_type = a->type, .kind = KIND_MANIFEST};
		(void)entry_add(&layout, &entry, e);
	}
	free(text);
	layout_release(&layout);
}

int main(int argc, char **argv)
{
	struct artifact a = {0};
	const char *selector = NULL, *tag = NULL;
	struct descriptor subject;
	struct error e = {0};
	int option;

	program_init("oci-from-files", usage);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		switch (option) {
		case OPTION_ANNOTATION:
			if (annotations_add(&a.annotations, optarg, &e)) {
				error_prefix(&e, "--annotation");
				return program_usage(&e);
			}
			break;
		case OPTION_TYPE:
			a.type = optarg;
			break;
		case OPTION_CONFIG:
			a.config = optarg;
			break;
		case OPTION_SUBJECT:
			selector = optarg;
			break;
		default:
			tag = optarg;
			break;
		}
	}
	if (argc - optind < 2)
		return program_misused("expected DIR FILE...");
	if (!a.type)
		return program_misused("--artifact-type is missing");
	if (!descriptor_is_media_type(a.type))
		return program_misused("--artifact-type: '%.200s' is not a media type", a.type);
	if (tag && entry_check_tag(tag, &e)) {
		error_prefix(&e, "--tag");
		return program_usage(&e);
	}
	const char *dir = argv[optind];
	a.files = argv + optind + 1;
	if (artifact_check(&a, &e))
		return e.status == STATUS_USAGE ? program_usage(&e) : program_fail(&e, true);
	if (selector && find_subject(dir, selector, &subject, &e))
		return program_fail(&e, true);
	a.subject = selector ? &subject : NULL;
	store(&a, dir, tag, &e);
	return program_fail(&e, true);
}
