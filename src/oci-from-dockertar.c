/* SPDX-License-Identifier: Apache-2.0 */
/* oci-from-dockertar: a saved image on stdin to an OCI layout. */
#include "gzip.h"
#include "import.h"
#include "known.h"
#include "layout.h"
#include "program.h"
#include "space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: oci-from-dockertar [-v] [-f FILE] [-i NAME|DIGEST] [--compress HOW]\n"
	"                          [--threads N] [--known FILE] [--allow-sparse] DIR\n"
	"Converts a saved image (docker save, podman save, an OCI archive ...) on stdin into the "
	"OCI\n"
	"layout DIR, and writes a record for each finished blob and image on stdout.\n"
	"\n"
	"  -f, --file FILE          read FILE; what can seek is looked at before it is converted\n"
	"  -i, --image NAME|DIGEST  only this image; without it all images in the tar\n"
	"      --input-size BYTES   how much comes on stdin at most; checks that there is room for it\n"
	"      --compress HOW       auto, none, gzip, gzip:LEVEL, zstd or zstd:LEVEL\n"
	"      --threads N          compress on N processors; all of them by default\n"
	"      --known FILE         don't make the layers that FILE lists: DIFFID DIGEST SIZE a line\n"
	"      --allow-sparse       keep an index some of whose manifests are not in the tar\n"
	"  -v, --verbose            say more on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256, OPTION_THREADS, OPTION_KNOWN, OPTION_COMPRESS, OPTION_INPUT_SIZE };

static const struct option options[] = {
	{"file", required_argument, NULL, 'f'},
	{"image", required_argument, NULL, 'i'},
	{"input-size", required_argument, NULL, OPTION_INPUT_SIZE},
	{"compress", required_argument, NULL, OPTION_COMPRESS},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"known", required_argument, NULL, OPTION_KNOWN},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	PROGRAM_OPTIONS,
};


/* A layout is at most as large as what goes into it. */
static int check_space(const struct import *import, int64_t input_size, struct error *e)
{
	struct stat st;
	if (import->known)
		return 0; /* how much of it is not told */
	if (fstat(import->fd, &st) == 0 && S_ISREG(st.st_mode))
		input_size = st.st_size;
	int dir_fd = import->layout->blobs_fd;
	return space_check(dir_fd, import->layout->path, input_size - space_used(dir_fd),
			   SPACE_ADVICE, e);
}

static int convert(struct import *import, const char *file, const char *dir, int64_t input_size,
		   struct error *e)
{
	struct layout layout = {.fd = -1, .blobs_fd = -1, .work = {.fd = -1}};
	int rc = -1;
	import->fd = STDIN_FILENO;
	if (file && (import->fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
		return error_errno(e, "%s", file);
	if (isatty(import->fd)) {
		error_set(e, STATUS_USAGE,
			  "the saved image is expected on stdin, which is a terminal: "
			  "docker save IMAGE | oci-from-dockertar DIR");
		goto out;
	}
	if (layout_create(&layout, dir, e) == 0) {
		import->layout = &layout;
		rc = check_space(import, input_size, e) ? -1 : import_run(import, e);
		if (rc && e->status == STATUS_DATA)
			error_prefix(e, file ? file : "stdin");
	}
out:
	layout_release(&layout);
	if (file)
		close(import->fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct import import = {0};
	const char *file = NULL, *threads = NULL, *known_file = NULL, *compress = NULL;
	struct known *known = NULL;
	int64_t input_size = 0;
	struct error e = {0};
	int option;

	program_init("oci-from-dockertar", usage);
	while ((option = program_option(argc, argv, "f:i:", options)) != -1) {
		switch (option) {
		case 'f':
			file = optarg;
			break;
		case 'i':
			import.selector = optarg;
			break;
		case OPTION_COMPRESS:
			compress = optarg;
			break;
		case OPTION_THREADS:
			threads = optarg;
			break;
		case OPTION_INPUT_SIZE:
			if (program_number("--input-size", optarg, 0, &input_size, &e))
				return program_usage(&e);
			break;
		case OPTION_KNOWN:
			known_file = optarg;
			break;
		case OPTION_SPARSE:
			import.is_sparse_allowed = true;
			break;
		default:
			break;
		}
	}
	if (argc - optind != 1)
		return program_misused("expected one operand: DIR");
	int rc = program_threads(threads, GZIP_THREADS_MAX, &import.compression.threads, &e);
	if (rc == 0)
		rc = compression_choose(&import.compression, compress, &e);
	if (rc == 0 && known_file)
		rc = (known = known_read(known_file, &e)) ? 0 : -1;
	import.known = known;
	if (rc == 0)
		(void)convert(&import, file, argv[optind], input_size, &e);
	known_free(known);
	space_advise(&e, SPACE_ADVICE);
	return program_fail(&e, true);
}
