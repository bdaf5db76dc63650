/* SPDX-License-Identifier: Apache-2.0 */
/* challenge: what WWW-Authenticate asks for (RFC 9110, 11.6.1). Several challenges in one line and in
 * several lines, quoted commas and escapes, any case, token68. Pure. */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

#define CHALLENGE_MAX 8

struct challenge {
	char scheme[32]; /* lower case: "bearer", "basic", "negotiate" */
	char realm[1024];
	char service[512];
	char scope[1024]; /* "" when absent, like all parameters */
};

/* Parses TEXT, the header's lines joined by newlines, into LIST; returns how many there are, at most
 * CHALLENGE_MAX. A Bearer challenge with one of these parameters that does not fit is left out; of
 * others the parameter is. */
size_t challenge_parse(const char *text, struct challenge list[CHALLENGE_MAX]);

/* The challenge to answer: Bearer before Basic; NULL when there is neither. Borrowed from LIST. */
const struct challenge *challenge_choose(const struct challenge *list, size_t count);

#endif
