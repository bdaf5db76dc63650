/* SPDX-License-Identifier: Apache-2.0 */
/* platform: what an image runs on (OCI image-spec, image-index.md, "platform"). */
#ifndef PLATFORM_H
#define PLATFORM_H

#include "error.h"
#include "json.h"

#include <stdbool.h>

struct platform {
	char os[32], architecture[32];
	char variant[32], os_version[64]; /* "" for none */
};

/* Parses "os/arch[/variant]". STATUS_USAGE. */
int platform_parse(struct platform *p, const char *text, struct error *e);

/* Reads the members that the config of an image, and a descriptor's platform, have for it. Whether they
 * are there and of use. */
bool platform_read(struct platform *p, const json_t *object);

/* Gives OBJECT (borrowed), a descriptor, the member "platform". */
void platform_write(const struct platform *p, json_t *object);

#endif
