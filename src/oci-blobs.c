/* SPDX-License-Identifier: Apache-2.0 */
/* oci-blobs: the blobs of an image in a layout, as records, in the order of upload. */
#include "event.h"
#include "layout.h"
#include "program.h"
#include "recipe.h"

#include <unistd.h>

static const char usage[] =
	"usage: oci-blobs [-v] [-i NAME|DIGEST] [--allow-sparse] [--incomplete] DIR\n"
	"Lists the blobs of an image in the OCI layout DIR as records: each once, blobs before the\n"
	"manifests that name them.\n"
	"\n"
	"  -i, --image NAME|DIGEST  the image; without it the only one\n"
	"      --allow-sparse       pass over manifests that an index names and DIR does not hold\n"
	"      --incomplete         list also blobs that DIR does not hold\n"
	"  -v, --verbose            say more on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256, OPTION_INCOMPLETE };

static const struct option options[] = {
	{"image", required_argument, NULL, 'i'},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	{"incomplete", no_argument, NULL, OPTION_INCOMPLETE},
	PROGRAM_OPTIONS,
};

struct listing {
	struct layout layout;
	bool is_incomplete;
};

/* A blob that is named is also there, whole or by reference: what this program lists can be uploaded. An
 * incomplete layout may lack it, but what is there is whole. */
static int check(const struct listing *l, const struct descriptor *d, struct error *e)
{
	if (!layout_has_blob(&l->layout, &d->digest, NULL)) {
		if (recipe_is_there(&l->layout, &d->digest)) {
			struct source source;
			int rc = recipe_read(&l->layout, &d->digest, d->size, &source, e);
			source_release(&source);
			return rc;
		}
		if (l->is_incomplete)
			return 0;
	}
	int fd = layout_open_blob(&l->layout, &d->digest, d->size, e);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int list(const struct descriptor *d, void *context, struct error *e)
{
	if (check(context, d, e))
		return -1;
	return program_is_interrupted() ? program_interrupted(e) : event_blob(d, NULL, -1, e);
}

int main(int argc, char **argv)
{
	const char *selector = NULL;
	struct listing l = {0};
	bool is_sparse_allowed = false;
	struct error e = {0};
	int option;

	program_init("oci-blobs", usage);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		if (option == 'i')
			selector = optarg;
		else if (option == OPTION_SPARSE)
			is_sparse_allowed = true;
		else
			l.is_incomplete = true;
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: DIR");

	struct descriptor root;
	if (layout_open(&l.layout, argv[optind], &e) == 0) {
		l.layout.is_sparse_allowed = is_sparse_allowed;
		if (layout_find(&l.layout, selector, &root, &e) == 0)
			(void)layout_walk(&l.layout, &root, list, &l, &e);
	}
	layout_release(&l.layout);
	return program_fail(&e, true);
}
