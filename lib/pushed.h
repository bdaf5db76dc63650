/* SPDX-License-Identifier: Apache-2.0 */
/* pushed: a small cache of what this machine has pushed where, so that a blob that another
 * repository of the same registry has can be mounted, and a blob or manifest that is there is asked
 * for before it is sent. One file a host in the cache directory, pushed/<host>, one line for each of
 * them, "sha256:... repository", newest last; the older half is dropped at PUSHED_LINES_MAX. It is
 * advice: a line may be wrong, and a registry says so. */
#ifndef PUSHED_H
#define PUSHED_H

#include "digest.h"
#include "reference.h"

#include <stdbool.h>

#define PUSHED_LINES_MAX 4096

/* Sets FROM to a repository of the same registry, other than REPOSITORY, where D was pushed last.
 * Returns whether there is one. */
bool pushed_find(const struct reference *repository, const struct digest *d,
		 char from[REFERENCE_NAME_MAX + 1]);

/* Whether D was pushed to REPOSITORY itself. */
bool pushed_has(const struct reference *repository, const struct digest *d);

/* Remembers that REPOSITORY has D. Does nothing where it is known already, or the cache can't be
 * written. */
void pushed_add(const struct reference *repository, const struct digest *d);

#endif
