/* SPDX-License-Identifier: Apache-2.0 */
/* oci-blob-upload: blobs of a layout into a registry, one after another over one connection. Several
 * of it share a queue: a FIFO of lines of one length, so that one read(2) takes one line:
 *
 *	sha256:<64 hex digits>\n	a blob
 *	-----------(71)--------\n	the end, once for each uploader (a held-open FIFO has no EOF)
 */
#include "event.h"
#include "file.h"
#include "forecast.h"
#include "json.h"
#include "journal.h"
#include "layout.h"
#include "lines.h"
#include "pace.h"
#include "program.h"
#include "recipe.h"
#include "reference.h"
#include "registry.h"
#include "retry.h"
#include "transfer.h"
#include "trust.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAYS_BYTES (64 * 1024)	       /* a config, say, which is wanted again and takes no room */
#define LINE_LEN (DIGEST_TEXT_LEN + 1) /* of the queue */

static const char usage[] =
	"usage: oci-blob-upload [-v] [--queue FIFO] DIR REPO [DIGEST...]\n"
	"Uploads blobs of the OCI layout DIR to REPO (registry/repository). Without DIGEST, reads\n"
	"digests or blob records, one a line, from stdin.\n"
	"\n"
	"      --queue FIFO         take digests from a queue shared with other uploaders\n"
	"      --absent FILE        append digests to FILE that neither DIR nor the registry has\n"
	"      --dry-run            send nothing: say what would be, as plan records\n"
	"      --limit-rate R       send at most so many bytes a second; k, M and G count in 1024\n"
	"      --mount-from REPO    a repository of the same registry that may have blobs already\n"
	"      --remove             remove blobs above 64 KiB from DIR once the registry has them\n"
	"      --source-root SRC    read blobs that are by reference below the folder SRC; may come\n"
	"                           several times\n"
	"      --trusted            don't hash blobs again: DIR was written by this very run\n"
	RETRY_USAGE
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n"
	"\n"
	"COG_PUSH_CHUNK_SIZE, COG_PUSH_MULTIPART_THRESHOLD: bytes of a chunk, and above which blobs\n"
	"go in chunks.\n";

enum {
	OPTION_ABSENT = 256,
	OPTION_DRY_RUN,
	OPTION_LIMIT_RATE,
	OPTION_MOUNT_FROM,
	OPTION_QUEUE,
	OPTION_REMOVE,
	OPTION_SOURCE_ROOT,
	OPTION_TRUSTED,
};

static const struct option options[] = {
	{"queue", required_argument, NULL, OPTION_QUEUE},
	{"absent", required_argument, NULL, OPTION_ABSENT},
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	{"limit-rate", required_argument, NULL, OPTION_LIMIT_RATE},
	{"mount-from", required_argument, NULL, OPTION_MOUNT_FROM},
	{"remove", no_argument, NULL, OPTION_REMOVE},
	{"source-root", required_argument, NULL, OPTION_SOURCE_ROOT},
	{"trusted", no_argument, NULL, OPTION_TRUSTED},
	RETRY_OPTIONS,
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

struct uploader {
	const char *dir;
	struct layout layout;
	bool is_layout_open;
	struct registry registry;
	struct reference repository, mount_from;
	struct trust_options trust;
	struct transfer_options options;
	const char *absent; /* a file that other uploaders append to as well; NULL: none */
	int absent_fd;
	struct recipe_roots roots; /* none: blobs by reference are refused */
	bool removes;
	bool is_dry, is_trusted;
	struct forecast forecast;
	json_t *seen;	  /* the set of digests so far */
	bool tells_phase; /* cog-push does that for uploaders on a queue */
};

/* Opened late: in a pipe, the converter makes it before it announces the first blob. */
static int need_layout(struct uploader *u, struct error *e)
{
	if (!u->is_layout_open && layout_open(&u->layout, u->dir, e))
		return -1;
	u->is_layout_open = true;
	return 0;
}

/* A blob that the layout does not have. The registry may, else the digest goes into a file. */
static int ask_for_absent(struct uploader *u, const struct digest *d, struct error *e)
{
	char line[LINE_LEN + 1];
	int rc = u->is_dry ? forecast_blob(&u->forecast, d, -1, e)
			   : transfer_absent(&u->registry, &u->options, d, e);
	if (rc)
		return rc < 0 ? -1 : 0;
	snprintf(line, sizeof line, "%s\n", d->text);
	return file_write(u->absent_fd, u->absent, line, LINE_LEN, e);
}

static int send_blob(struct uploader *u, const struct digest *d, struct error *e)
{
	struct source source;
	struct transfer_blob blob = {.digest = d, .source = &source};
	int rc = recipe_open(&u->layout, d, -1, &u->roots, &source, e);
	if (rc == 0 && u->is_dry)
		rc = forecast_blob(&u->forecast, d, source.size, e) < 0 ? -1 : 0;
	else if (rc == 0)
		rc = transfer_blob(&u->registry, &u->options, &blob, e);
	if (rc == 0 && u->removes && !u->is_dry && source.size > STAYS_BYTES)
		rc = layout_remove_blob(&u->layout, d, e);
	source_release(&source);
	return rc;
}

static bool is_absent(const struct uploader *u, const struct digest *d)
{
	return u->absent && !layout_has_blob(&u->layout, d, NULL) && !recipe_is_there(&u->layout, d);
}

static int upload(struct uploader *u, const struct digest *d, struct error *e)
{
	if (!json_set_add(u->seen, d->text))
		return 0;
	if (need_layout(u, e))
		return -1;
	if (u->tells_phase && event_phase(PHASE_PUSHING, e))
		return -1;
	u->tells_phase = false;
	return is_absent(u, d) ? ask_for_absent(u, d, e) : send_blob(u, d, e);
}

static int upload_operands(struct uploader *u, char **digests, struct error *e)
{
	for (; *digests; digests++) {
		struct digest d;
		(void)digest_parse(&d, *digests); /* main has checked them */
		if (upload(u, &d, e))
			return -1;
	}
	return 0;
}

static int upload_queue(struct uploader *u, const char *fifo, struct error *e)
{
	char line[LINE_LEN + 1];
	struct digest d;
	ssize_t n;
	int rc = -1;
	int fd = open(fifo, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return program_is_interrupted() ? program_interrupted(e)
						: error_errno(e, "%s", fifo);
	/* Another uploader may take the line between poll() and read(). */
	if (fcntl(fd, F_SETFL, O_NONBLOCK)) {
		error_errno(e, "%s", fifo);
		goto out;
	}
	while ((n = lines_wait_read(fd, fifo, line, LINE_LEN, e)) > 0) {
		line[n] = '\0';
		if (n == LINE_LEN && strspn(line, "-") == LINE_LEN - 1)
			break;
		if (n == LINE_LEN)
			line[LINE_LEN - 1] = '\0';
		if (digest_parse(&d, line)) {
			error_set(e, STATUS_DATA, "%s: not a line of a queue: '%.80s'", fifo, line);
			goto out;
		}
		if (upload(u, &d, e))
			goto out;
	}
	rc = n < 0 ? -1 : 0;
out:
	close(fd);
	return rc;
}

/* The digest that a record names, if it is that of a layer or config: manifests go last, through
 * oci-manifest-put. Returns 1, 0 for what is passed over, or -1. */
static int read_record(const char *line, size_t len, struct digest *d, struct error *e)
{
	json_t *root = json_parse("stdin", line, len, e);
	if (!root)
		return -1;
	const char *event = json_text(root, "event");
	const char *kind = json_text(root, "kind");
	int rc = event && strcmp(event, "blob") == 0 &&
		 !(kind && (strcmp(kind, "manifest") == 0 || strcmp(kind, "index") == 0));
	if (rc && digest_parse(d, json_text(root, "digest")))
		rc = error_set(e, STATUS_DATA, "stdin: a blob record without a sha256 digest");
	json_decref(root);
	return rc;
}

static int take_line(void *context, char *line, size_t len, struct error *e)
{
	struct digest d;
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	if (len == 0)
		return 0;
	int rc = 1;
	if (*line == '{')
		rc = read_record(line, len, &d, e);
	else if (digest_parse(&d, line))
		rc = error_set(e, STATUS_DATA, "stdin: neither a digest nor a record: '%.80s'",
			       line);
	return rc > 0 ? upload(context, &d, e) : rc;
}

static int open_absent(struct uploader *u, struct error *e)
{
	if (u->absent) {
		u->absent_fd = open(u->absent, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
		if (u->absent_fd < 0)
			return error_errno(e, "%s", u->absent);
	}
	return 0;
}

/* OPERANDS: DIR, REPO, digests. */
static void run(struct uploader *u, const char *fifo, char **operands, struct error *e)
{
	u->dir = operands[0];
	journal_sweep();
	u->seen = json_object();
	if (open_absent(u, e))
		goto out;
	if (registry_open(&u->registry, &u->repository, &u->trust, NULL, e))
		goto out;
	u->forecast = (struct forecast){
		.registry = &u->registry, .options = &u->options, .trust = &u->trust};
	int rc = fifo	       ? upload_queue(u, fifo, e)
		 : operands[2] ? upload_operands(u, operands + 2, e)
			       : lines_read(STDIN_FILENO, "stdin", take_line, u, e);
	if (rc == 0)
		(void)need_layout(u, e);
out:
	forecast_release(&u->forecast);
	registry_release(&u->registry);
	layout_release(&u->layout);
	json_decref(u->seen);
	if (u->absent_fd >= 0)
		close(u->absent_fd);
	recipe_roots_release(&u->roots);
}

static int check_mount(struct uploader *u, const char *text, struct error *e)
{
	struct reference *from = &u->mount_from;
	if (!text)
		return 0;
	if (reference_parse_repository(from, text, e))
		return -1;
	if (strcmp(from->registry, u->repository.registry) != 0)
		return error_set(e, STATUS_USAGE, "--mount-from: '%s' is not of the registry %s",
				 text, u->repository.registry);
	u->options.mount_from = from->repository;
	return 0;
}

static int check_operands(struct uploader *u, const char *fifo, char **operands, int count,
			  struct error *e)
{
	if (count < 2)
		return error_set(e, STATUS_USAGE, "expected DIR REPO [DIGEST...]");
	if (fifo && count > 2)
		return error_set(e, STATUS_USAGE, "--queue goes without digests as operands");
	if (reference_parse_repository(&u->repository, operands[1], e))
		return -1;
	for (int i = 2; i < count; i++) {
		struct digest d;
		if (digest_parse(&d, operands[i]))
			return error_set(e, STATUS_USAGE, "'%.100s': not a sha256 digest",
					 operands[i]);
	}
	return transfer_options_init(&u->options, e);
}

static int set_rate(const char *text, struct error *e)
{
	int64_t rate;
	if (pace_parse("--limit-rate", text, &rate, e))
		return -1;
	return setenv(PACE_ENV, text, 1) ? error_errno(e, "memory") : 0;
}

/* One of the program's own options. STATUS_USAGE. */
static int set_option(struct uploader *u, int option, const char *value, struct error *e)
{
	switch (option) {
	case OPTION_ABSENT:
		u->absent = value;
		return 0;
	case OPTION_DRY_RUN:
		u->is_dry = true;
		return 0;
	case OPTION_LIMIT_RATE:
		return set_rate(value, e);
	case OPTION_REMOVE:
		u->removes = true;
		return 0;
	case OPTION_TRUSTED:
		u->is_trusted = true;
		return 0;
	default:
		return retry_option(option, value, e) || trust_option(&u->trust, option, value, e)
			       ? -1
			       : 0;
	}
}

int main(int argc, char **argv)
{
	struct uploader u = {.layout = {.fd = -1, .blobs_fd = -1, .work = {.fd = -1}},
			     .absent_fd = -1};
	struct error e = {0};
	const char *fifo = NULL, *mount_from = NULL;
	int option;

	program_init("oci-blob-upload", usage);
	trust_options_init(&u.trust);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		if (option == OPTION_QUEUE)
			fifo = optarg;
		else if (option == OPTION_MOUNT_FROM)
			mount_from = optarg;
		else if (option == OPTION_SOURCE_ROOT) {
			if (recipe_roots_add(&u.roots, optarg, &e))
				return program_fail(&e, true);
		} else if (set_option(&u, option, optarg, &e)) {
			return program_usage(&e);
		}
	}
	if (check_operands(&u, fifo, argv + optind, argc - optind, &e) ||
	    check_mount(&u, mount_from, &e))
		return program_usage(&e);
	u.options.is_trusted = u.is_trusted;
	u.tells_phase = !fifo && !u.is_dry;
	run(&u, fifo, argv + optind, &e);
	return program_fail(&e, true);
}
