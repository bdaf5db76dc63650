/* SPDX-License-Identifier: Apache-2.0 */
/* oci-manifest-put: the manifests of an image in a layout into a registry: children first, by digest,
 * then the image itself under its tags. The blobs must be there. */
#include "delivery.h"
#include "event.h"
#include "forecast.h"
#include "json.h"
#include "layout.h"
#include "program.h"
#include "recipe.h"
#include "reference.h"
#include "registry.h"
#include "retry.h"
#include "transfer.h"
#include "trust.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: oci-manifest-put [-v] [-i NAME|DIGEST] [--allow-sparse] DIR REF...\n"
	"Puts the manifests of an image in the OCI layout DIR into a registry, whose blobs\n"
	"oci-blob-upload has put there. REF: registry/repository[:tag][@digest]; several are tags of\n"
	"one repository. Without tag and digest the tag is latest.\n"
	"\n"
	"  -i, --image NAME|DIGEST  the image; without it the only one\n"
	"      --allow-sparse       pass over manifests that an index names and DIR does not hold\n"
	"      --dry-run            put nothing: say what would be, as plan records\n"
	RETRY_USAGE
	TRUST_USAGE
	"  -v, --verbose            trace requests and answers on stderr\n"
	"  -h, --help               print this and exit\n"
	"  -V, --version            print the version and exit\n";

enum { OPTION_SPARSE = 256, OPTION_DRY_RUN };

static const struct option options[] = {
	{"image", required_argument, NULL, 'i'},
	{"allow-sparse", no_argument, NULL, OPTION_SPARSE},
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	RETRY_OPTIONS,
	TRUST_OPTIONS,
	PROGRAM_OPTIONS,
};

struct publisher {
	struct trust_options trust;
	struct layout layout;
	struct registry registry;
	struct transfer_options options;
	struct delivery delivery;
	struct reference repository; /* of all operands */
	struct descriptor root;
	bool is_dry;
	char **refs; /* the operands; NULL at the end */
};

/* The media type that the document says; what names it may say less. */
static int find_media_type(const struct publisher *p, const struct descriptor *d,
			   struct descriptor *out, struct error *e)
{
	struct manifest m;
	int rc = layout_read_manifest(&p->layout, d, &m, e);
	*out = *d;
	if (rc == 0) {
		snprintf(out->media_type, sizeof out->media_type, "%s", m.media_type);
		out->kind = m.is_index ? KIND_INDEX : KIND_MANIFEST;
	}
	manifest_release(&m);
	return rc;
}

/* Sees to it that NAME, a tag or its digest, is the manifest; says so as SEPARATOR NAME of the
 * repository. */
static int put(struct publisher *p, const struct descriptor *d, const char *name, char separator,
	       struct error *e)
{
	char ref[2 * REFERENCE_NAME_MAX + 160];
	struct descriptor full;
	struct buffer text;
	int rc = -1;
	buffer_init(&text, JSON_MANIFEST_MAX);
	if (find_media_type(p, d, &full, e) || layout_read_blob(&p->layout, &d->digest, &text, e))
		goto out;
	struct manifest_bytes m = {.data = text.data,
				   .len = text.len,
				   .media_type = full.media_type,
				   .digest = d->digest};
	snprintf(ref, sizeof ref, "%s/%s%c%s", p->repository.registry, p->repository.repository,
		 separator, name);
	if (p->is_dry)
		rc = forecast_manifest(&p->delivery, name, &m, ref, e);
	else if (delivery_put(&p->delivery, name, &m, e) == 0)
		rc = event_manifest(&full, ref, e);
out:
	buffer_release(&text);
	return rc;
}

/* For what the registry turns out to lack. */
static int open_blob(void *context, const struct digest *d, int64_t *size, struct error *e)
{
	const struct publisher *p = context;
	if (layout_has_blob(&p->layout, d, size))
		return layout_open_blob(&p->layout, d, *size, e);
	if (recipe_is_there(&p->layout, d))
		return error_set(e, STATUS_DATA, "%s: by reference: send it with oci-blob-upload --source-root",
				 d->text);
	return error_set(e, STATUS_DATA, "%s: not in %.200s either", d->text, p->layout.path);
}

static int put_root(struct publisher *p, struct error *e)
{
	for (char **text = p->refs; *text; text++) {
		struct reference ref;
		if (reference_parse(&ref, *text, e))
			return -1;
		bool is_by_digest = !*ref.tag && digest_is_set(&ref.digest);
		const char *name = is_by_digest ? ref.digest.text : *ref.tag ? ref.tag : "latest";
		if (put(p, &p->root, name, is_by_digest ? '@' : ':', e))
			return -1;
	}
	return 0;
}

static int visit(const struct descriptor *d, void *context, struct error *e)
{
	struct publisher *p = context;
	if (program_is_interrupted())
		return program_interrupted(e);
	if (digest_equal(&d->digest, &p->root.digest))
		return put_root(p, e);
	bool is_manifest = d->kind == KIND_MANIFEST || d->kind == KIND_INDEX;
	return is_manifest ? put(p, d, d->digest.text, '@', e) : 0;
}

static int check_digests(const struct publisher *p, struct error *e)
{
	for (char **text = p->refs; *text; text++) {
		struct reference ref;
		if (reference_parse(&ref, *text, e))
			return -1;
		if (digest_is_set(&ref.digest) && !digest_equal(&ref.digest, &p->root.digest))
			return error_set(e, STATUS_FAILED, "'%.200s': the image is %s", *text,
					 p->root.digest.text);
	}
	return 0;
}

static void run(struct publisher *p, const char *dir, const char *selector, bool is_sparse_allowed,
		struct error *e)
{
	struct session unused;
	if (layout_open(&p->layout, dir, e))
		goto out;
	p->layout.is_sparse_allowed = is_sparse_allowed;
	if (layout_find(&p->layout, selector, &p->root, e) || check_digests(p, e) ||
	    registry_open(&p->registry, &p->repository, &p->trust, NULL, e))
		goto out;
	p->delivery = (struct delivery){.registry = &p->registry,
					.options = &p->options,
					.open = open_blob,
					.context = p};
	/* No blob has needed what oci-push-check has opened. */
	if (layout_walk(&p->layout, &p->root, visit, p, e) == 0 && registry_take(&p->registry, &unused))
		registry_cancel(&p->registry, &unused);
out:
	registry_release(&p->registry);
	layout_release(&p->layout);
}

int main(int argc, char **argv)
{
	struct publisher p = {0};
	const char *selector = NULL;
	bool is_sparse_allowed = false;
	struct error e = {0};
	int option;

	program_init("oci-manifest-put", usage);
	trust_options_init(&p.trust);
	while ((option = program_option(argc, argv, "i:", options)) != -1) {
		switch (option) {
		case 'i':
			selector = optarg;
			break;
		case OPTION_SPARSE:
			is_sparse_allowed = true;
			break;
		case OPTION_DRY_RUN:
			p.is_dry = true;
			break;
		default:
			if (retry_option(option, optarg, &e) ||
			    trust_option(&p.trust, option, optarg, &e))
				return program_usage(&e);
		}
	}
	if (argc - optind < 2)
		return program_misused("expected DIR REF...");
	p.refs = argv + optind + 1;
	if (reference_parse_all(&p.repository, p.refs, &e) || transfer_options_init(&p.options, &e))
		return program_usage(&e);
	run(&p, argv[optind], selector, is_sparse_allowed, &e);
	return program_fail(&e, true);
}
