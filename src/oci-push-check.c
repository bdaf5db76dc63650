/* SPDX-License-Identifier: Apache-2.0 */
/* oci-push-check: is the registry there, and may we push? Only an upload session proves the right
 * to push; it is left for the first uploader where programs of a run share a directory. */
#include "answer.h"
#include "attempt.h"
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "retry.h"
#include "trust.h"

#include <stdbool.h>
#include <string.h>

static const char usage[] =
	"usage: oci-push-check [-v] REF...\n"
	"Checks that the registry of REF (registry/repository[:TAG|@DIGEST]) is there and lets us push.\n"
	"Several REFs are of one repository.\n"
	"\n"
	"      --dry-run            open no upload session: check only that it lets us look\n"
	RETRY_USAGE
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum {
	OPTION_DRY_RUN = 256,
	UNANSWERED_TRIES = 2, /* a name or a port that is wrong is likelier than a registry that is away */
};

static const struct option options[] = {
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	RETRY_OPTIONS,
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

/* Nothing of it goes to stdout, so there are no records. */
static int ask(struct registry *r, const struct retry_policy *retry, struct session *s,
	       struct error *e)
{
	struct attempt a;
	struct error other = {0};
	int rc;
	attempt_init(&a, r, retry, NULL);
	a.is_silent = true;
	do
		rc = registry_start(r, s, NULL, e);
	while (rc && attempt_again(&a, e));
	/* What refuses the POST may be no registry at all. Other failures to find out say less than
	 * the refusal. */
	bool may_be_none = rc && a.http_status && a.http_status != 401 &&
			   (e->status == STATUS_FAILED || e->status == STATUS_DENIED);
	if (may_be_none && registry_ping(r, &other) &&
	    (other.status == STATUS_FAILED || other.status == STATUS_INTERRUPTED))
		*e = other;
	return rc;
}

/* What can be known without a session: GET, and HEAD of a blob that no image has. */
static int look(struct registry *r, const struct retry_policy *retry, struct error *e)
{
	struct attempt a;
	struct digest none;
	int rc;
	attempt_init(&a, r, retry, NULL);
	a.is_silent = true;
	digest_of(&none, "", 0);
	do {
		rc = registry_ping(r, e);
		if (rc == 0)
			rc = registry_has_blob(r, &none, e);
		if (rc == 0 && (answer_class(&r->response) == ANSWER_DENIED ||
				answer_class(&r->response) == ANSWER_BUSY))
			rc = registry_refused(r, "HEAD", e);
	} while (rc < 0 && attempt_again(&a, e));
	return rc < 0 ? -1 : 0;
}

static int check(const struct reference *repository, const struct trust_options *trust,
		 const struct retry_policy *retry, bool is_dry, struct error *e)
{
	struct registry r;
	struct session s;
	int rc = -1;
	if (registry_open(&r, repository, trust, NULL, e))
		goto out;
	if (is_dry) {
		rc = look(&r, retry, e);
		goto out;
	}
	if (ask(&r, retry, &s, e))
		goto out;
	rc = registry_share(&r, &s, e);
	if (rc == 0)
		registry_cancel(&r, &s);
out:
	registry_release(&r);
	return rc < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct trust_options trust;
	struct retry_policy retry;
	struct reference repository;
	struct error e = {0};
	bool is_dry = false;
	int option;

	program_init("oci-push-check", usage);
	trust_options_init(&trust);
	while ((option = program_option(argc, argv, "", options)) != -1)
		if (option == OPTION_DRY_RUN)
			is_dry = true;
		else if (retry_option(option, optarg, &e) || trust_option(&trust, option, optarg, &e))
			return program_usage(&e);
	if (optind == argc)
		return program_misused("expected an operand: REF");
	if (reference_parse_all(&repository, argv + optind, &e) ||
	    retry_policy_from_env(&retry, &e))
		return program_usage(&e);
	if (!program_env("COG_PUSH_RETRIES"))
		retry.unanswered = UNANSWERED_TRIES;
	(void)check(&repository, &trust, &retry, is_dry, &e);
	return program_fail(&e, false);
}
