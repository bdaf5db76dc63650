/* SPDX-License-Identifier: Apache-2.0 */
/* referrers: the index of the manifests that have a subject, which a client keeps under the tag
 * sha256-<hex of the subject> where the registry does not (OCI distribution-spec, "Pushing
 * Manifests with Subject" and "Referrers Tag Schema"). */
#ifndef REFERRERS_H
#define REFERRERS_H

#include "error.h"
#include "manifests.h"
#include "retry.h"

/* Whether M has a subject: 1 with its digest, 0, or -1. STATUS_DATA. */
int referrers_subject(const struct manifest_bytes *m, struct digest *subject, struct error *e);

/* Puts M, which has SUBJECT, into the index under the subject's tag. Reads the index back after
 * that and begins again when another client has replaced it in between; a registry has no way to
 * forbid that. Blocks, and retries as P says. The statuses of registry.h; STATUS_FAILED when the
 * tag is something else than an index. */
int referrers_add(struct registry *r, const struct retry_policy *p, const struct manifest_bytes *m,
		  const struct digest *subject, struct error *e);

#endif
