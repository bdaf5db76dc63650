/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a saved image, hostile. Built with -fsanitize=fuzzer it is a fuzzer; with -DPLAIN a
 * program over a corpus: import FILE... Records go to /dev/null. */
#include "file.h"
#include "import.h"
#include "layout.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(const struct descriptor *d, void *context, struct error *e)
{
	int fd = layout_open_blob(context, &d->digest, d->size, e);
	return fd < 0 ? -1 : close(fd);
}

static void import(int fd, const char *dir, bool is_sparse_allowed)
{
	struct error e = {0};
	struct layout layout;
	struct import i = {.fd = fd, .layout = &layout, .is_sparse_allowed = is_sparse_allowed};
	struct descriptor root;
	if (layout_create(&layout, dir, &e) == 0 && import_run(&i, &e) == 0) {
		/* What was accepted can be read back, unless it is several images. */
		layout.is_sparse_allowed = is_sparse_allowed;
		if (layout_find(&layout, NULL, &root, &e) == 0
			    ? layout_walk(&layout, &root, visit, &layout, &e)
			    : e.status != STATUS_USAGE) {
			fprintf(stderr, "%s\n", e.text);
			abort();
		}
	}
	layout_release(&layout);
}

static void list(int fd, bool is_sparse_allowed)
{
	struct error e = {0};
	struct layout layout;
	struct import i = {.fd = fd, .layout = &layout, .is_sparse_allowed = is_sparse_allowed};
	if (layout_scratch(&layout, "/tmp", &e) == 0)
		(void)import_list(&i, &e);
	layout_release(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/fuzz-import.XXXXXX";
	static int null_fd = -1, out_fd;
	if (null_fd < 0) {
		null_fd = open("/dev/null", O_WRONLY);
		out_fd = dup(STDOUT_FILENO);
		if (!mkdtemp(dir))
			abort();
	}
	FILE *file = tmpfile();
	if (!file || fwrite(data, 1, size, file) != size || fflush(file))
		abort();
	dup2(null_fd, STDOUT_FILENO);
	lseek(fileno(file), 0, SEEK_SET);
	list(fileno(file), false);
	lseek(fileno(file), 0, SEEK_SET);
	import(fileno(file), dir, false); /* looked at first */
	lseek(fileno(file), 0, SEEK_SET);
	int pipes[2];
	if (size < 60000 && pipe(pipes) == 0) { /* a stream */
		if (write(pipes[1], data, size) != (ssize_t)size)
			abort();
		close(pipes[1]);
		import(pipes[0], dir, true);
		close(pipes[0]);
	}
	dup2(out_fd, STDOUT_FILENO);
	fclose(file);
	int parent = open("/tmp", O_RDONLY | O_DIRECTORY);
	workdir_remove(parent, strrchr(dir, '/') + 1);
	close(parent);
	return 0;
}

#ifdef PLAIN
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct error e = {0};
		struct buffer text;
		buffer_init(&text, 1 << 24);
		if (file_read(AT_FDCWD, argv[i], &text, &e)) {
			fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.len);
		buffer_release(&text);
	}
	return 0;
}
#endif
