/* SPDX-License-Identifier: Apache-2.0 */
/* oci-blobs: the blobs of an image in a layout, as records, in the order of upload. */
#include "event.h"
#include "layout.h"
#include "program.h"

#include <unistd.h>

static const char usage[] =
	"usage: oci-blobs [-v] [-i NAME|DIGEST] [--allow-sparse] DIR\n"
	"Lists the blobs of an image in the OCI layout DIR as records: each once, blobs before the\n"
	"manifests that name them.\n"
	"\n"
	"  -i, --image NAME|DIGEST  the image; without it the only one\n"
	"      --allow-sparse       pass over manifests that an index names and DIR does not hold\n"
	"  -v, --verbose            say more on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256 };

static const struct option options[] = {
	{"image", required_argument, NULL, 'i'},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	PROGRAM_OPTIONS,
};

/* A blob that is named is also there, whole: what this program lists can be uploaded. */
static int list(const struct descriptor *d, void *context, struct error *e)
{
	int fd = layout_open_blob(context, &d->digest, d->size, e);
	if (fd < 0)
		return -1;
	close(fd);
	return program_is_interrupted() ? program_interrupted(e) : event_blob(d, NULL, -1, e);
}

int main(int argc, char **argv)
{
	const char *selector = NULL;
	bool is_sparse_allowed = false;
	struct error e = {0};
	int option;

	program_init("oci-blobs", usage);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		if (option == 'i')
			selector = optarg;
		else
			is_sparse_allowed = true;
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: DIR");

	struct layout layout;
	struct descriptor root;
	if (layout_open(&layout, argv[optind], &e) == 0) {
		layout.is_sparse_allowed = is_sparse_allowed;
		if (layout_find(&layout, selector, &root, &e) == 0)
			(void)layout_walk(&layout, &root, list, &layout, &e);
	}
	layout_release(&layout);
	return program_fail(&e, true);
}
