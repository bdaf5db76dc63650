/* SPDX-License-Identifier: Apache-2.0 */
/* cog-progress: records in; bars on a terminal, or lines for a log, out. */
#include "bars.h"
#include "clock.h"
#include "file.h"
#include "json.h"
#include "lines.h"
#include "notices.h"
#include "program.h"
#include "screen.h"
#include "tally.h"

#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: cog-progress [-jqv] [--progress HOW] [--interval SECONDS] [--messages] [--tee]\n"
	"                    < records > records\n"
	"Shows on stderr how a push gets on, and in the end what was published or, when the push "
	"does\n"
	"not come to its end, how much is in the registry.\n"
	"\n"
	"  -j, --json              pass the records on to stdout instead, but for errors\n"
	"  -q, --quiet             show nothing but messages\n"
	"      --progress HOW      tty: bars; plain: a line when a blob begins and when it is "
	"there;\n"
	"                          json: as --json; none: only the end; auto: bars on a terminal,\n"
	"                          else lines\n"
	"      --interval SECONDS  between lines about what takes long, 10 if not given\n"
	"      --messages          show lines that are no records, as what programs say on stderr\n"
	"      --tee               pass the records on to stdout as well\n"
	"  -v, --verbose           name the lines that are no records\n"
	"  -h, --help              print this and exit\n"
	"  -V, --version           print the version and exit\n";

enum { OPTION_PROGRESS = 256, OPTION_INTERVAL, OPTION_MESSAGES, OPTION_TEE };

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},
	{"quiet", no_argument, NULL, 'q'},
	{"progress", required_argument, NULL, OPTION_PROGRESS},
	{"interval", required_argument, NULL, OPTION_INTERVAL},
	{"messages", no_argument, NULL, OPTION_MESSAGES},
	{"tee", no_argument, NULL, OPTION_TEE},
	PROGRAM_OPTIONS,
};

enum {
	FRAME_MS = 100,	  /* between two frames */
	LOOK_MS = 250,	  /* between two looks at what takes long */
	STOPPED_MS = 400, /* without a look: the process was stopped */
	INTERVAL_S = 10,
	INTERVAL_MAX_S = 1000 * 1000,
	OUT_MAX = 1 << 20,
};

enum how { HOW_AUTO, HOW_TTY, HOW_PLAIN, HOW_JSON, HOW_NONE, HOW_QUIET };

struct viewer {
	enum how how;
	bool is_tee, has_messages;
	struct tally tally;
	struct notices notices;
	struct screen screen;
	struct buffer out; /* for stderr */
	int64_t looked_ms;
};

static volatile sig_atomic_t is_continued;

static void note_continued(int signal)
{
	(void)signal;
	is_continued = 1;
}

/* Stderr that is gone is no news. */
static void flush(struct viewer *v)
{
	struct error ignored = {0};
	if (v->out.len)
		(void)file_write(STDERR_FILENO, "stderr", v->out.data, v->out.len, &ignored);
	buffer_clear(&v->out);
}

/* A line that is not about the push, above the bars. It need not end in a newline. */
static void say(struct viewer *v, char *line)
{
	struct error ignored = {0};
	line[strcspn(line, "\r\n")] = '\0';
	error_clean(line);
	size_t len = strlen(line);
	line[len] = '\n'; /* in place of the NUL: the length counts */
	if (v->how == HOW_TTY) {
		screen_add_above(&v->screen, line, len + 1);
	} else {
		(void)buffer_append(&v->out, line, len + 1, &ignored);
		flush(v);
	}
}

static void take_message(struct viewer *v, char *text, size_t len)
{
	char line[160];
	if (v->has_messages)
		say(v, text);
	else if (program_is_verbose()) {
		snprintf(line, sizeof line - 1, "cog-progress: not a record: %.*s",
			 (int)(len < 80 ? len : 80), text);
		say(v, line);
	}
}

/* Lines that are no records come from programs that are not ours, or are messages of ours. */
static int take(void *context, char *text, size_t len, struct error *e)
{
	struct viewer *v = context;
	struct error why = {0};
	json_t *record = json_parse("record", text, len, &why);
	const char *event = record ? json_text(record, "event") : NULL;
	bool is_passed = v->is_tee || (v->how == HOW_JSON && event && strcmp(event, "error") != 0);
	struct tally_blob *changed = NULL;
	int rc = 0;
	if (!event) {
		take_message(v, text, len);
	} else {
		if (is_passed)
			rc = file_write(STDOUT_FILENO, "stdout", text, len, e);
		changed = tally_take(&v->tally, record, clock_now_ms());
	}
	if (changed && v->how == HOW_PLAIN) {
		notices_changed(&v->notices, changed, clock_now_ms(), &v->out);
		flush(v);
	}
	json_decref(record);
	return rc;
}

/* Who stops us (Ctrl-Z) writes below the block, which stays as it was. A SIGCONT also comes to a
 * run that is ended, which was not stopped. */
static int draw(void *context, struct error *e)
{
	struct viewer *v = context;
	int64_t now_ms = clock_now_ms();
	(void)e;
	if (is_continued && now_ms - v->looked_ms >= STOPPED_MS)
		screen_lose(&v->screen);
	is_continued = 0;
	v->looked_ms = now_ms;
	bars_draw(&v->tally, &v->screen, now_ms);
	screen_show(&v->screen);
	return 0;
}

static int look(void *context, struct error *e)
{
	struct viewer *v = context;
	(void)e;
	notices_tick(&v->notices, &v->tally, clock_now_ms(), &v->out);
	flush(v);
	return 0;
}

static void say_end(struct viewer *v, bool is_whole)
{
	const char *hint =
		program_env("COG_RUN_DIR") ? "; the next push sends only the rest" : "";
	if (v->how == HOW_TTY)
		screen_end(&v->screen);
	if (v->how == HOW_JSON || v->how == HOW_QUIET || !is_whole)
		return;
	notices_published(&v->tally, clock_now_ms(), &v->out);
	notices_rest(&v->tally, hint, &v->out);
	flush(v);
}

static int run(struct viewer *v, struct error *e)
{
	struct lines_ticker ticker = {.tick = look, .interval_ms = LOOK_MS};
	struct sigaction action = {.sa_handler = note_continued, .sa_flags = SA_RESTART};
	int64_t now_ms = clock_now_ms();
	if (v->how == HOW_TTY) {
		ticker = (struct lines_ticker){.tick = draw, .interval_ms = FRAME_MS};
		sigemptyset(&action.sa_mask);
		sigaction(SIGCONT, &action, NULL);
	}
	bool ticks = v->how == HOW_TTY || v->how == HOW_PLAIN;
	tally_init(&v->tally, now_ms);
	screen_init(&v->screen, STDERR_FILENO);
	buffer_init(&v->out, OUT_MAX);
	v->notices.told_ms = v->looked_ms = now_ms;
	int rc = lines_read_ticking(STDIN_FILENO, "stdin", take, ticks ? &ticker : NULL, v, e);
	say_end(v, rc == 0);
	tally_release(&v->tally);
	screen_release(&v->screen);
	buffer_release(&v->out);
	return rc;
}

static int parse_how(const char *text, enum how *how)
{
	static const char *const names[] = {"auto", "tty", "plain", "json", "none"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(text, names[i]) == 0) {
			*how = (enum how)i;
			return 0;
		}
	return -1;
}

int main(int argc, char **argv)
{
	static struct viewer v;
	struct error e = {0};
	int64_t interval_s = INTERVAL_S;
	int option;
	program_init("cog-progress", usage);
	setlocale(LC_CTYPE, "");
	while ((option = program_option(argc, argv, "jq", options)) != -1) {
		if (option == 'j')
			v.how = HOW_JSON;
		else if (option == 'q')
			v.how = HOW_QUIET;
		else if (option == OPTION_MESSAGES)
			v.has_messages = true;
		else if (option == OPTION_TEE)
			v.is_tee = true;
		else if (option == OPTION_PROGRESS && parse_how(optarg, &v.how))
			return program_misused(
				"--progress: '%.100s' is none of auto, tty, plain, json, none",
				optarg);
		else if (option == OPTION_INTERVAL &&
			 program_number("--interval", optarg, 1, &interval_s, &e))
			return program_usage(&e);
	}
	if (argc != optind)
		return program_misused("'%s': expected no operand", argv[optind]);
	if (v.how == HOW_AUTO)
		v.how = screen_is_possible(STDERR_FILENO) ? HOW_TTY : HOW_PLAIN;
	v.notices.interval_ms = (interval_s < INTERVAL_MAX_S ? interval_s : INTERVAL_MAX_S) * 1000;
	/* It ends with its input, so that what the others say last is shown. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	(void)run(&v, &e);
	return program_fail(&e, false);
}
