/* SPDX-License-Identifier: Apache-2.0 */
/* publish: gives a blob its final name in the layout and announces it on stdout, each digest once a
 * run. What is announced stays. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "descriptor.h"
#include "error.h"
#include "member.h"

struct publisher;

/* MEMBERS is borrowed. Ends the program when there is no memory. */
struct publisher *publisher_new(struct members *members);
void publisher_free(struct publisher *p);

/* The blob that M was stored as, under D's media type and kind. D->digest must be its digest. Does
 * nothing with a blob that is elsewhere. */
int publish_member(struct publisher *p, struct member *m, const struct descriptor *d,
		   struct error *e);

/* Bytes in memory, e.g. a manifest: fills in D's digest and size. */
int publish_text(struct publisher *p, const char *text, size_t len, struct descriptor *d,
		 struct error *e);

/* What M as a layer is called where no manifest says it. */
void publish_describe_layer(const struct member *m, struct descriptor *d);

#endif
