/* SPDX-License-Identifier: Apache-2.0 */
/* oci-blob-queue: the joint between the converter and the pool of uploaders. Records come in on
 * stdin and go on to stdout unchanged; the digest of each layer and config goes into a FIFO that the
 * uploaders share. Lines of the queue have one fixed length, so that one read(2) takes one line and
 * readers don't tear it:
 *
 *	sha256:<64 hex digits>\n	a blob
 *	-----------(71)--------\n	the end, once for each uploader (a held-open FIFO has no EOF)
 *
 * It knows nothing of layouts and registries. */
#include "digest.h"
#include "json.h"
#include "lines.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_LEN (DIGEST_TEXT_LEN + 1)

static const char usage[] =
	"usage: oci-blob-queue [-v] FIFO COUNT < records > records\n"
	"Writes the digest of each layer and config among the records into FIFO, for COUNT uploaders.\n"
	"\n"
	"  -v, --verbose  say what is queued\n"
	"  -h, --help     print this and exit\n"
	"  -V, --version  print the version and exit\n";

struct queue {
	int fifo_fd;
	json_t *seen; /* the set of digests that were queued */
	long long line; /* of the input, for messages */
};

/* One write(2) of at most PIPE_BUF bytes to a pipe is whole; a signal ends the wait for room. After a
 * failure errno says why. */
static int put(int fd, const char *name, const char *data, size_t len, struct error *e)
{
	while (len) {
		ssize_t n = program_is_interrupted() ? 0 : write(fd, data, len);
		if (program_is_interrupted())
			return program_interrupted(e);
		if (n < 0 && errno != EINTR) {
			int saved = errno;
			error_errno(e, "write %s", name);
			errno = saved;
			return -1;
		}
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int put_queue(const struct queue *q, const char line[LINE_LEN], struct error *e)
{
	if (put(q->fifo_fd, "queue", line, LINE_LEN, e) == 0)
		return 0;
	if (errno == EPIPE && e->status == STATUS_FAILED)
		return error_set(e, STATUS_FAILED, "the uploaders are gone");
	return -1;
}

static int queue_blob(struct queue *q, const struct digest *digest, struct error *e)
{
	if (!json_set_add(q->seen, digest->text))
		return 0;
	char line[LINE_LEN];
	memcpy(line, digest->text, DIGEST_TEXT_LEN);
	line[DIGEST_TEXT_LEN] = '\n';
	program_trace("queued %s", digest->text);
	return put_queue(q, line, e);
}

/* Whether RECORD announces content that an uploader takes. Manifests and indexes go last, by
 * another program. */
static bool is_upload(const json_t *record)
{
	const char *event = json_text(record, "event"), *kind = json_text(record, "kind");
	return event && kind && strcmp(event, "blob") == 0 &&
	       (strcmp(kind, "layer") == 0 || strcmp(kind, "config") == 0);
}

static int take_record(void *context, char *text, size_t len, struct error *e)
{
	struct queue *q = context;
	struct error why = {0};
	q->line++;
	if (text[len - 1] != '\n')
		return error_set(e, STATUS_DATA, "line %lld: the input ends in it", q->line);
	json_t *record = json_parse("record", text, len, &why);
	if (!json_is_object(record)) {
		json_decref(record);
		return error_set(e, STATUS_DATA, "line %lld: not a record (a JSON object)", q->line);
	}
	int rc = put(STDOUT_FILENO, "stdout", text, len, e);
	struct digest digest;
	if (rc == 0 && is_upload(record)) {
		if (digest_parse(&digest, json_text(record, "digest")))
			rc = error_set(e, STATUS_DATA, "line %lld: a blob without a sha256 digest",
				       q->line);
		else
			rc = queue_blob(q, &digest, e);
	}
	json_decref(record);
	return rc;
}

/* Blocks until an uploader has opened the other end. */
static int open_fifo(const char *path, struct error *e)
{
	struct stat st;
	if (stat(path, &st))
		return error_errno(e, "%s", path);
	if (!S_ISFIFO(st.st_mode))
		return error_set(e, STATUS_FAILED, "%s: not a FIFO", path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return program_is_interrupted() ? program_interrupted(e)
						: error_errno(e, "%s", path);
	return fd;
}

static int run(const char *path, int64_t count, struct error *e)
{
	int rc = -1;
	struct queue q = {.fifo_fd = open_fifo(path, e), .seen = json_object()};
	if (q.fifo_fd < 0 || lines_read(STDIN_FILENO, "stdin", take_record, &q, e))
		goto out;
	char end[LINE_LEN];
	memset(end, '-', DIGEST_TEXT_LEN);
	end[DIGEST_TEXT_LEN] = '\n';
	for (rc = 0; rc == 0 && count > 0; count--)
		rc = put_queue(&q, end, e);
out:
	if (q.fifo_fd >= 0)
		close(q.fifo_fd);
	json_decref(q.seen);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {PROGRAM_OPTIONS};
	struct error e = {0};
	int64_t count = 0;
	program_init("oci-blob-queue", usage);
	(void)program_option(argc, argv, "", options);
	if (argc - optind != 2)
		return program_misused("expected FIFO and COUNT");
	if (program_number("COUNT", argv[optind + 1], 1, &count, &e))
		return program_usage(&e);
	return run(argv[optind], count, &e) ? program_fail(&e, true) : STATUS_OK;
}
