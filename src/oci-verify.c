/* SPDX-License-Identifier: Apache-2.0 */
/* oci-verify: does a registry have all of an image in a layout? Names what it lacks as records that
 * oci-blob-upload takes. */
#include "answer.h"
#include "attempt.h"
#include "event.h"
#include "layout.h"
#include "manifests.h"
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "retry.h"
#include "trust.h"

#include <stdbool.h>

static const char usage[] =
	"usage: oci-verify [-v] [-i NAME|DIGEST] [--allow-sparse] DIR REPO\n"
	"Asks the registry of REPO (registry/repository) for every blob and manifest of an image in\n"
	"the OCI layout DIR. Lists those that are missing or differ as records, which\n"
	"oci-blob-upload takes; the status is 1 then.\n"
	"\n"
	"  -i, --image NAME|DIGEST  the image; without it the only one\n"
	"      --allow-sparse       pass over manifests that an index names and DIR does not hold\n"
	RETRY_USAGE
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256 };

static const struct option options[] = {
	{"image", required_argument, NULL, 'i'},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	RETRY_OPTIONS,
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

struct verifier {
	struct trust_options trust;
	struct reference repository;
	struct registry registry;
	struct retry_policy retry;
	struct layout layout;
	int count, missing;
};

/* Whether the sizes that were announced agree; HEAD may be answered without one. */
static bool has_size(const struct http_response *a, int64_t size)
{
	return a->content_length == 0 || a->content_length == size;
}

/* Both ask once: 1 when D is there as it should be, 0 when not, -1. */
static int ask_blob(struct registry *r, const struct descriptor *d, struct error *e)
{
	const struct http_response *a = &r->response;
	int rc = registry_has_blob(r, &d->digest, e);
	/* A redirect leads to a store, and says nothing of what is there. */
	if (rc <= 0 || !answer_is_success(a))
		return rc;
	struct digest found;
	bool has_digest = digest_parse(&found, a->content_digest) == 0;
	return has_size(a, d->size) && (!has_digest || digest_equal(&found, &d->digest));
}

static int ask_manifest(struct registry *r, const struct descriptor *d, struct error *e)
{
	struct digest found;
	int rc = manifests_digest(r, d->digest.text, d->media_type, &found, e);
	return rc <= 0 ? rc : digest_equal(&found, &d->digest) && has_size(&r->response, d->size);
}

/* The same with retries; what is neither there nor missing is a failure. */
static int ask(struct verifier *v, const struct descriptor *d, struct error *e)
{
	struct registry *r = &v->registry;
	bool is_manifest = d->kind == KIND_MANIFEST || d->kind == KIND_INDEX;
	struct attempt a;
	int rc;
	attempt_init(&a, r, &v->retry, &d->digest);
	do {
		rc = is_manifest ? ask_manifest(r, d, e) : ask_blob(r, d, e);
		bool is_told = r->response.status == 404 ||
			       (answer_is_success(&r->response) && !answer_is_html(&r->response));
		if (rc == 0 && !is_told)
			rc = registry_refused(r, "HEAD", e);
	} while (rc < 0 && attempt_again(&a, e));
	return rc;
}

static int visit(const struct descriptor *d, void *context, struct error *e)
{
	struct verifier *v = context;
	if (program_is_interrupted())
		return program_interrupted(e);
	int rc = ask(v, d, e);
	if (rc < 0)
		return -1;
	v->count++;
	if (rc)
		return 0;
	v->missing++;
	program_trace("%s is missing or differs", d->digest.text);
	return event_blob(d, NULL, -1, e);
}

static void run(struct verifier *v, const char *dir, const char *selector, bool is_sparse_allowed,
		struct error *e)
{
	struct descriptor root;
	if (layout_open(&v->layout, dir, e))
		goto out;
	v->layout.is_sparse_allowed = is_sparse_allowed;
	if (layout_find(&v->layout, selector, &root, e) ||
	    registry_open(&v->registry, &v->repository, &v->trust, NULL, e) ||
	    layout_walk(&v->layout, &root, visit, v, e))
		goto out;
	if (v->missing)
		error_set(e, STATUS_FAILED,
			  "%.200s/%.200s: %d of %d blobs and manifests are missing or differ",
			  v->repository.registry, v->repository.repository, v->missing, v->count);
out:
	registry_release(&v->registry);
	layout_release(&v->layout);
}

int main(int argc, char **argv)
{
	struct verifier v = {0};
	const char *selector = NULL;
	bool is_sparse_allowed = false;
	struct error e = {0};
	int option;

	program_init("oci-verify", usage);
	trust_options_init(&v.trust);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		switch (option) {
		case 'i':
			selector = optarg;
			break;
		case OPTION_SPARSE:
			is_sparse_allowed = true;
			break;
		default:
			if (retry_option(option, optarg, &e) ||
			    trust_option(&v.trust, option, optarg, &e))
				return program_usage(&e);
		}
	}
	if (argc - optind != 2)
		return program_misused("expected two operands: DIR REPO");
	if (reference_parse_repository(&v.repository, argv[optind + 1], &e) ||
	    retry_policy_from_env(&v.retry, &e))
		return program_usage(&e);
	run(&v, argv[optind], selector, is_sparse_allowed, &e);
	return program_fail(&e, true);
}
