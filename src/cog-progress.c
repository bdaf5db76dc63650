/* SPDX-License-Identifier: Apache-2.0 */
/* cog-progress: records in, lines for people out. */
#include "event.h"
#include "file.h"
#include "json.h"
#include "lines.h"
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: cog-progress [-jv] < records\n"
	"Says on stderr which blobs have got into the registry, a line each; and how much is there when\n"
	"the push does not come to its end.\n"
	"\n"
	"  -j, --json     pass the records on to stdout instead, but for errors\n"
	"  -v, --verbose  name the records that are no records\n"
	"  -h, --help     print this and exit\n"
	"  -V, --version  print the version and exit\n";

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},
	PROGRAM_OPTIONS,
};

struct progress {
	bool is_json;
	bool is_done;
	json_t *seen; /* the set of digests that are in the registry */
	int64_t bytes;
};

static const char *bytes_text(int64_t size, char text[32])
{
	static const char *const units[] = {"kB", "MB", "GB"};
	double value = (double)size / 1000;
	size_t unit = 0;
	if (size < 1000) {
		snprintf(text, 32, "%" PRId64 " B", size);
		return text;
	}
	while (value >= 999.95 && unit < 2) {
		value /= 1000;
		unit++;
	}
	snprintf(text, 32, "%.1f %s", value, units[unit]);
	return text;
}

static void say(const char *text)
{
	char line[512];
	struct error ignored = {0};
	snprintf(line, sizeof line - 1, "%s", text);
	error_clean(line);
	strcat(line, "\n");
	(void)file_write(STDERR_FILENO, "stderr", line, strlen(line), &ignored);
}

static void show_done(struct progress *p, const json_t *record)
{
	const char *digest = json_text(record, "digest"), *how = json_text(record, "how");
	int64_t size = json_size(record, "size"), ms = json_size(record, "ms");
	char line[400], in[32] = "", bytes[32];
	if (!digest || !how || size < 0)
		return;
	if (json_set_add(p->seen, digest))
		p->bytes += size;
	if (strcmp(how, "uploaded") == 0 && ms >= 0)
		snprintf(in, sizeof in, " in %.1fs", (double)ms / 1000);
	snprintf(line, sizeof line, "%.19s  %s  %.100s%s", digest, bytes_text(size, bytes), how, in);
	say(line);
}

/* Lines that are no records come from programs that are not ours. */
static int take(void *context, char *text, size_t len, struct error *e)
{
	struct progress *p = context;
	struct error why = {0};
	json_t *record = json_parse("record", text, len, &why);
	const char *event = record ? json_text(record, "event") : NULL, *phase;
	int rc = 0;
	if (!event)
		program_trace("not a record: %.*s", (int)(len < 80 ? strcspn(text, "\n") : 80), text);
	else if (p->is_json)
		rc = strcmp(event, "error") == 0 ? 0 : file_write(STDOUT_FILENO, "stdout", text, len, e);
	else if (strcmp(event, "done") == 0)
		show_done(p, record);
	else if (strcmp(event, "phase") == 0 && (phase = json_text(record, "phase")))
		p->is_done |= strcmp(phase, "done") == 0;
	json_decref(record);
	return rc;
}

/* What a push that failed has reached. */
static void show_rest(const struct progress *p)
{
	size_t count = json_object_size(p->seen);
	char line[200], bytes[32];
	if (p->is_done || count == 0)
		return;
	snprintf(line, sizeof line, "already in the registry: %zu blob%s, %s%s", count,
		 count == 1 ? "" : "s", bytes_text(p->bytes, bytes),
		 program_env("COG_RUN_DIR") ? "; the same command sends only the rest" : "");
	say(line);
}

int main(int argc, char **argv)
{
	struct progress p = {0};
	struct error e = {0};
	program_init("cog-progress", usage);
	while (program_option(argc, argv, "j", options) == 'j')
		p.is_json = true;
	if (argc != optind)
		return program_misused("'%s': expected no operand", argv[optind]);
	/* It ends with its input, so that what the others say last is shown. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	p.seen = json_object();
	if (lines_read(STDIN_FILENO, "stdin", take, &p, &e) == 0 && !p.is_json)
		show_rest(&p);
	json_decref(p.seen);
	return program_fail(&e, false);
}
