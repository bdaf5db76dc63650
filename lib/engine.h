/* SPDX-License-Identifier: Apache-2.0 */
/* engine: an image straight from docker's daemon, by its API on a local socket (Engine API, "Export an image").
 * docker's client only copies what it reads there into a pipe, which costs as much as reading it twice more. */
#ifndef ENGINE_H
#define ENGINE_H

#include "error.h"

#include <stdbool.h>

/* Whether IMAGE, a name or an ID, can stand in a URL as it is. */
bool engine_is_name(const char *image);

/* Asks the daemon at SOCKET (a path) for IMAGE as docker save writes it. Blocks until it begins to answer, which
 * may take long, or a signal asks us to stop. Returns a descriptor from which the tar can be read, up to the
 * end of file, and which the caller closes; or -1: STATUS_FAILED with what the daemon says. */
int engine_export(const char *socket, const char *image, struct error *e);

#endif
