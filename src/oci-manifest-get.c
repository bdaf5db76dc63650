/* SPDX-License-Identifier: Apache-2.0 */
/* oci-manifest-get: a manifest or index from a registry into a layout, without its blobs. */
#include "attempt.h"
#include "entry.h"
#include "json.h"
#include "layout.h"
#include "manifests.h"
#include "program.h"
#include "reference.h"
#include "registry.h"
#include "retry.h"
#include "trust.h"
#include "weight.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: oci-manifest-get [-v] [--optional] [--name NAME --target PATH --set-digest DIGEST] DIR REF\n"
	"Gets a manifest or index from a registry into the OCI layout DIR, under the tag of REF, and\n"
	"writes records about it. Its blobs stay where they are.\n"
	"\n"
	"      --name NAME          only if it is the weight of this name,\n"
	"      --target PATH        with this target\n"
	"      --set-digest DIGEST  and these files\n"
	"      --optional           where it is not there or is another, say nothing and succeed\n"
	RETRY_USAGE
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_NAME = 256, OPTION_TARGET, OPTION_SET_DIGEST, OPTION_OPTIONAL };

static const struct option options[] = {
	{"name", required_argument, NULL, OPTION_NAME},
	{"target", required_argument, NULL, OPTION_TARGET},
	{"set-digest", required_argument, NULL, OPTION_SET_DIGEST},
	{"optional", no_argument, NULL, OPTION_OPTIONAL},
	RETRY_OPTIONS,
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

struct getter {
	struct trust_options trust;
	struct retry_policy retry;
	struct reference ref;
	struct registry registry;
	const char *name, *target; /* of the weight that is wanted; NULL for anything */
	struct digest set_digest;
	bool is_optional;
	struct buffer text; /* of the manifest */
};

/* What REF names in its repository. */
static const char *name_of(const struct getter *g)
{
	return digest_is_set(&g->ref.digest) ? g->ref.digest.text : g->ref.tag;
}

static int missing(const struct getter *g, const char *why, struct error *e)
{
	program_trace("%s: %s", name_of(g), why);
	return g->is_optional ? 0
			      : error_set(e, STATUS_FAILED, "%.200s/%.200s: %s: %s", g->ref.registry,
					  g->ref.repository, name_of(g), why);
}

/* Returns 1, 0 when the registry does not have it, or -1. */
static int fetch(struct getter *g, struct error *e)
{
	static const char all[] = MEDIA_TYPE_INDEX ", " MEDIA_TYPE_MANIFEST ", " MEDIA_TYPE_DOCKER_LIST
						   ", " MEDIA_TYPE_DOCKER_MANIFEST;
	struct attempt a;
	int rc;
	if (registry_open(&g->registry, &g->ref, &g->trust, NULL, e))
		return -1;
	attempt_init(&a, &g->registry, &g->retry, NULL);
	do {
		buffer_clear(&g->text);
		rc = manifests_get(&g->registry, name_of(g), all, &g->text, e);
	} while (rc < 0 && attempt_again(&a, e));
	return rc;
}

/* Whether it is what was asked for: by the digest of REF, and by the one that the registry says. */
static int check_digest(const struct getter *g, struct error *e)
{
	struct digest found, said;
	digest_of(&found, g->text.data ? g->text.data : "", g->text.len);
	bool is_said = digest_parse(&said, g->registry.response.content_digest) == 0;
	if ((digest_is_set(&g->ref.digest) && !digest_equal(&found, &g->ref.digest)) ||
	    (is_said && !digest_equal(&found, &said)))
		return error_set(e, STATUS_DATA, "%.200s/%.200s: %s: the registry sent %s", g->ref.registry,
				 g->ref.repository, is_said ? said.text : name_of(g), found.text);
	return 0;
}

static bool is_wanted(const struct getter *g)
{
	struct weight w;
	struct descriptor config;
	struct error ignored;
	bool is_same = !g->name;
	if (g->name && weight_parse(&w, g->text.data, g->text.len, &config, &ignored) == 0)
		is_same = strcmp(w.name, g->name) == 0 && strcmp(w.target, g->target) == 0 &&
			  digest_equal(&w.set_digest, &g->set_digest);
	if (g->name)
		weight_release(&w);
	return is_same;
}

static int store(const struct getter *g, const char *dir, struct error *e)
{
	struct manifest m;
	struct layout layout;
	struct entry entry = {
		.text = g->text.data,
		.tag = *g->ref.tag ? g->ref.tag : NULL,
		.artifact_type = g->name ? MEDIA_TYPE_WEIGHT : NULL,
	};
	int rc = manifest_parse(&m, name_of(g), g->text.data ? g->text.data : "", g->text.len, e);
	entry.kind = m.is_index ? KIND_INDEX : KIND_MANIFEST;
	entry.media_type = m.media_type;
	if (rc == 0) {
		rc = layout_create(&layout, dir, e) || entry_add(&layout, &entry, e) ? -1 : 0;
		layout_release(&layout);
	}
	manifest_release(&m);
	return rc;
}

static void run(struct getter *g, const char *dir, struct error *e)
{
	buffer_init(&g->text, JSON_MANIFEST_MAX);
	int rc = fetch(g, e);
	if (rc == 0)
		(void)missing(g, "the registry does not have it", e);
	else if (rc > 0 && check_digest(g, e) == 0) {
		if (is_wanted(g))
			(void)store(g, dir, e);
		else
			(void)missing(g, "it is not that weight", e);
	}
	registry_release(&g->registry);
	buffer_release(&g->text);
}

/* Returns whether OPTION was one of ours. */
static bool take(struct getter *g, int option, const char *value)
{
	switch (option) {
	case OPTION_NAME:
		g->name = value;
		return true;
	case OPTION_TARGET:
		g->target = value;
		return true;
	case OPTION_OPTIONAL:
		g->is_optional = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct getter g = {0};
	const char *set_digest = NULL;
	struct error e = {0};
	int option;

	program_init("oci-manifest-get", usage);
	trust_options_init(&g.trust);
	while ((option = program_option(argc, argv, "", options)) != -1) {
		if (option == OPTION_SET_DIGEST)
			set_digest = optarg;
		else if (!take(&g, option, optarg) &&
			 (retry_option(option, optarg, &e) || trust_option(&g.trust, option, optarg, &e)))
			return program_usage(&e);
	}
	if (argc - optind != 2)
		return program_misused("expected two operands: DIR REF");
	if (!g.name != !g.target || !g.name != !set_digest)
		return program_misused("--name, --target and --set-digest go together");
	if (set_digest && digest_parse(&g.set_digest, set_digest))
		return program_misused("--set-digest: '%.200s' is no sha256 digest", set_digest);
	if (reference_parse(&g.ref, argv[optind + 1], &e) || retry_policy_from_env(&g.retry, &e))
		return program_usage(&e);
	if (!*g.ref.tag && !digest_is_set(&g.ref.digest))
		snprintf(g.ref.tag, sizeof g.ref.tag, "latest");
	run(&g, argv[optind], &e);
	return program_fail(&e, true);
}
