/* SPDX-License-Identifier: Apache-2.0 */
/* oci-tar-images: the images in a saved image's tar, by name, before anything is converted. */
#include "import.h"
#include "layout.h"
#include "program.h"

#include <fcntl.h>
#include <unistd.h>

static const char usage[] =
	"usage: oci-tar-images [-v] [-i NAME|DIGEST] [--layers] [--allow-sparse] FILE\n"
	"Lists the images in the saved image FILE (docker save, podman save, an OCI archive ...), a record\n"
	"for each, and converts nothing.\n"
	"\n"
	"  -i, --image NAME|DIGEST  only this image; without it all images in the tar\n"
	"      --layers             also list the layers of each image, in their order\n"
	"      --allow-sparse       take an index some of whose manifests are not in the tar\n"
	"  -v, --verbose            say more on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256, OPTION_LAYERS };

static const struct option options[] = {
	{"image", required_argument, NULL, 'i'},
	{"layers", no_argument, NULL, OPTION_LAYERS},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	PROGRAM_OPTIONS,
};

/* The JSON of the tar, which may be large, goes to temporary files. */
static int list(struct import *import, const char *file, struct error *e)
{
	struct layout layout;
	const char *folder = program_env("TMPDIR");
	import->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (import->fd < 0)
		return error_errno(e, "%s", file);
	import->layout = &layout;
	int rc = layout_scratch(&layout, folder ? folder : "/var/tmp", e);
	if (rc == 0) {
		rc = import_list(import, e);
		if (rc && e->status == STATUS_DATA)
			error_prefix(e, file);
	}
	layout_release(&layout);
	close(import->fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct import import = {0};
	struct error e = {0};
	int option;

	program_init("oci-tar-images", usage);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		if (option == 'i')
			import.selector = optarg;
		else if (option == OPTION_LAYERS)
			import.has_layers = true;
		else
			import.is_sparse_allowed = true;
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: FILE");
	(void)list(&import, argv[optind], &e);
	return program_fail(&e, true);
}
