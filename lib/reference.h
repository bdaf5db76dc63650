/* SPDX-License-Identifier: Apache-2.0 */
/* reference: "registry/repository:tag@digest", by the grammar of distribution/reference with the
 * rules for Docker Hub. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "digest.h"
#include "error.h"

#include <stdbool.h>

#define REFERENCE_NAME_MAX 255 /* registry, slash and repository */

struct reference {
	char registry[REFERENCE_NAME_MAX + 1];	 /* "host[:port]", as a user writes it */
	char repository[REFERENCE_NAME_MAX + 1]; /* "a/b" */
	char tag[129];				 /* "" when none was given */
	struct digest digest;			 /* empty when none was given */
};

/* Parses TEXT. "debian" becomes docker.io, library/debian. No tag is invented.
 * STATUS_USAGE with a text that says which part is wrong. */
int reference_parse(struct reference *r, const char *text, struct error *e);

/* The same for "registry/repository": STATUS_USAGE with a tag or a digest too. */
int reference_parse_repository(struct reference *r, const char *text, struct error *e);

/* Parses REFS up to NULL, which have to be of one repository, into R: the first of them. STATUS_USAGE. */
int reference_parse_all(struct reference *r, char *const *refs, struct error *e);

/* Parses "host[:port]", "docker.io" or docker's URL of it, for a login; the repository is empty. */
int reference_parse_registry(struct reference *r, const char *text, struct error *e);

/* Whether TEXT is a tag by the grammar. */
bool reference_is_tag(const char *text);

/* The host to connect to: registry-1.docker.io for docker.io, else the registry. Borrowed. */
const char *reference_host(const struct reference *r);

#endif
