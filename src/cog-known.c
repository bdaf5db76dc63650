/* SPDX-License-Identifier: Apache-2.0 */
/* cog-known: what this machine has pushed before, for cog-push, which asks the registry whether it
 * still has it. */
#include "composition.h"
#include "event.h"
#include "imagecache.h"
#include "layout.h"
#include "program.h"
#include "savedid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: cog-known [-v] [--compress SETTING] [--lines FILE] find DIR KEY [DIFFID...]\n"
	"       cog-known [-v] [--compress SETTING] add DIR KEY DIGEST\n"
	"find lists as records the blobs of the image KEY, which is its ID or the digest of its root, if\n"
	"it was pushed before, and puts its manifests into the OCI layout DIR; else the layers with a\n"
	"DIFFID that another image had. add remembers the image DIGEST in DIR as KEY.\n"
	"\n"
	"      --compress SETTING  how layers are compressed; gzip by default\n"
	"      --lines FILE        write the layers there too, for oci-from-dockertar --known\n"
	"  -v, --verbose           say more on stderr\n"
	"  -h, --help              print this and exit\n"
	"  -V, --version           print the version and exit\n";

enum { OPTION_COMPRESS = 256, OPTION_LINES };

static const struct option options[] = {
	{"compress", required_argument, NULL, OPTION_COMPRESS},
	{"lines", required_argument, NULL, OPTION_LINES},
	PROGRAM_OPTIONS,
};

struct listing {
	const char *suffix; /* of the media types that are compressed so */
	FILE *lines;	    /* may be NULL */
	const struct digest *diff_ids;
	struct digest *saved_ids; /* of the diffIds */
	size_t count;
	struct descriptor config; /* the last */
	size_t configs;
};

static const char *suffix_of(const char *setting)
{
	return strncmp(setting, "zstd", 4) == 0 ? "zstd" : strncmp(setting, "none", 4) == 0 ? "tar" : "gzip";
}

/* A line says what the converter would make of a layer, so it is about such alone. A further one for each
 * place of the layer tells the converter what it is called there. */
static int write_line(const struct listing *l, const struct descriptor *d,
		      const struct digest *diff_id, struct error *e)
{
	size_t len = strlen(d->media_type), suffix = strlen(l->suffix);
	if (d->kind != KIND_LAYER || !digest_is_set(diff_id) || len < suffix ||
	    strcmp(d->media_type + len - suffix, l->suffix) != 0)
		return 0;
	fprintf(l->lines, "%s %s %" PRId64 "\n", diff_id->text, d->digest.text, d->size);
	for (size_t i = 0; i < l->count; i++)
		if (digest_equal(&l->diff_ids[i], diff_id) && digest_is_set(&l->saved_ids[i]))
			fprintf(l->lines, "%s %s %" PRId64 " %s\n", diff_id->text, d->digest.text,
				d->size, l->saved_ids[i].text);
	return ferror(l->lines) ? error_errno(e, "write") : 0;
}

static int list(const struct descriptor *d, const struct digest *diff_id, void *context,
		struct error *e)
{
	struct listing *l = context;
	if (l->lines && write_line(l, d, diff_id, e))
		return -1;
	if (d->kind == KIND_CONFIG) {
		l->config = *d;
		l->configs++;
	}
	return event_blob(d, digest_is_set(diff_id) ? diff_id : NULL, -1, e);
}

/* Gives ROOT the platform of the one image that it is. */
static void add_platform(const struct layout *layout, const struct listing *l, struct descriptor *root)
{
	struct platform p;
	struct error ignored = {0};
	if (l->configs == 1 && composition_platform(layout, &l->config, &p, &ignored) > 0)
		snprintf(root->platform, sizeof root->platform, "%.20s/%.20s%s%.20s", p.os, p.architecture,
			 *p.variant ? "/" : "", p.variant);
}

/* DIGESTS: KEY and the diffIds. */
static void find(const char *setting, const char *dir, FILE *lines, const struct digest *digests,
		 size_t count, struct error *e)
{
	struct listing listing = {.suffix = suffix_of(setting),
				  .lines = lines,
				  .diff_ids = digests + 1,
				  .saved_ids = calloc(count, sizeof *digests),
				  .count = count - 1};
	struct layout layout = {0};
	struct descriptor root;
	if (!listing.saved_ids) {
		error_errno(e, "memory");
		return;
	}
	savedid_of(listing.diff_ids, listing.count, listing.saved_ids);
	if (layout_create(&layout, dir, e) == 0 &&
	    imagecache_visit_image(setting, digests, &layout, &root, list, &listing, e) == 0) {
		if (digest_is_set(&root.digest)) {
			add_platform(&layout, &listing, &root);
			(void)event_image(&root, NULL, 0, e);
		} else {
			(void)imagecache_visit_layers(setting, digests + 1, count - 1, list, &listing, e);
		}
	}
	layout_release(&layout);
	free(listing.saved_ids);
}

/* With LINES_NAME as a file, or none. */
static void find_to(const char *setting, const char *dir, const char *lines_name,
		    const struct digest *digests, size_t count, struct error *e)
{
	FILE *lines = lines_name ? fopen(lines_name, "w") : NULL;
	if (lines_name && !lines) {
		error_errno(e, "%s", lines_name);
		return;
	}
	find(setting, dir, lines, digests, count, e);
	if (lines && fclose(lines) && !e->status)
		error_errno(e, "%s", lines_name);
}

static void add(const char *setting, const char *dir, const struct digest *digests, struct error *e)
{
	struct layout layout;
	struct descriptor root;
	if (layout_open(&layout, dir, e) == 0 &&
	    layout_find(&layout, digests[1].text, &root, e) == 0)
		(void)imagecache_add(setting, digests, &layout, &root, e);
	layout_release(&layout);
}

int main(int argc, char **argv)
{
	const char *setting = "gzip", *lines = NULL;
	int option;
	struct error e = {0};
	program_init("cog-known", usage);
	while ((option = program_option(argc, argv, "", options)) != -1)
		if (option == OPTION_LINES)
			lines = optarg;
		else if (optarg)
			setting = optarg;
	argv += optind;
	argc -= optind;
	bool is_find = argc > 0 && strcmp(argv[0], "find") == 0;
	if (argc < 3 || (!is_find && (strcmp(argv[0], "add") != 0 || argc != 4)))
		return program_misused("expected find DIR KEY [DIFFID...] or add DIR KEY DIGEST");
	size_t count = (size_t)argc - 2;
	struct digest *digests = calloc(count, sizeof *digests);
	for (size_t i = 0; digests && i < count; i++)
		if (digest_parse(&digests[i], argv[i + 2])) {
			free(digests);
			return program_misused("'%.100s': not a sha256 digest", argv[i + 2]);
		}
	if (!digests)
		error_errno(&e, "memory");
	else if (is_find)
		find_to(setting, argv[1], lines, digests, count, &e);
	else
		add(setting, argv[1], digests, &e);
	free(digests);
	return program_fail(&e, true);
}
