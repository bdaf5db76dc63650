/* SPDX-License-Identifier: Apache-2.0 */
/* oci-upload-forget: gives up the unfinished uploads to a repository, at the registry and on disk. */
#include "journal.h"
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "trust.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static const char usage[] =
	"usage: oci-upload-forget [-v] REPO\n"
	"Gives up the unfinished uploads to REPO (registry/repository): deletes their sessions at\n"
	"the registry, and what is kept of them in the state directory.\n"
	"\n"
	TRUST_USAGE
	"  -v, --verbose            say what is given up, trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n"
	"\n"
	"COG_STATE_DIR: the state directory.\n";

static const struct option options[] = {
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

struct forgetter {
	struct registry registry;
	bool is_asked, is_there;
};

/* Once, and only when there is something to delete. */
static bool is_registry_there(struct forgetter *f)
{
	struct error e = {0};
	if (f->is_asked)
		return f->is_there;
	f->is_asked = true;
	f->is_there = registry_ping(&f->registry, &e) == 0;
	if (!f->is_there && !program_is_interrupted())
		program_warn("%s: the sessions are left there, for the registry to purge", e.text);
	return f->is_there;
}

static int give_up(const struct journal_entry *entry, const struct digest *d, void *context,
		   struct error *e)
{
	struct forgetter *f = context;
	struct session s = {0};
	snprintf(s.location, sizeof s.location, "%s", entry->location);
	if (is_registry_there(f))
		registry_cancel(&f->registry, &s);
	if (program_is_interrupted())
		return program_interrupted(e);
	program_trace("gave up the upload of %s at %" PRId64 " bytes", d->text, entry->offset);
	return 0;
}

static void forget(const struct reference *repository, const struct trust_options *trust,
		   struct error *e)
{
	struct forgetter f = {0};
	if (registry_open(&f.registry, repository, trust, NULL, e) == 0 &&
	    journal_forget(repository, give_up, &f, e) == 0)
		program_trace("there was no unfinished upload to give up");
	registry_release(&f.registry);
}

int main(int argc, char **argv)
{
	struct trust_options trust;
	struct reference repository;
	struct error e = {0};
	int option;

	program_init("oci-upload-forget", usage);
	trust_options_init(&trust);
	while ((option = program_option(argc, argv, "", options)) != -1)
		if (trust_option(&trust, option, optarg, &e))
			return program_usage(&e);
	if (argc - optind != 1)
		return program_misused("expected one operand: REPO");
	if (reference_parse_repository(&repository, argv[optind], &e))
		return program_usage(&e);
	forget(&repository, &trust, &e);
	return program_fail(&e, false);
}
