/* SPDX-License-Identifier: Apache-2.0 */
/* savedid: what `docker save` calls the folder of a layer up to Docker 24: <ID>/layer.tar. The ID is that of
 * an image of Docker 1.9 and before, worked out of the diffIds as far as the layer (moby, image/v1,
 * CreateID): so it tells on a pipe which layer comes. */
#ifndef SAVEDID_H
#define SAVEDID_H

#include "digest.h"

#include <stddef.h>

/* Sets IDS[i] to the ID of layer i of an image with the COUNT layers DIFF_IDS, as "sha256:" and the name of
 * the folder; empty for the last, whose ID depends on the config too. */
void savedid_of(const struct digest *diff_ids, size_t count, struct digest *ids);

#endif
