/* SPDX-License-Identifier: Apache-2.0 */
/* location: URLs of a registry, and what its Location headers mean. Pure: nothing is asked of the
 * network. A query is opaque (it may be signed) and never decoded nor re-ordered. */
#ifndef LOCATION_H
#define LOCATION_H

#include "digest.h"
#include "error.h"

#include <stdbool.h>

#define LOCATION_SIZE 8192 /* bytes of a URL, NUL included */

/* OUT becomes the URL that LOCATION means in an answer to a request for BASE, an absolute http or
 * https URL: absolute, "//host/path", "/path", relative, or "host/path" of BASE's own host
 * (registries behind containerd's client get away with that). http:// on the host of an https BASE,
 * which a proxy that lost X-Forwarded-Proto makes of it, becomes https with *IS_UPGRADED set.
 * STATUS_FAILED: another scheme, http on another host than that of an https BASE, a user in the URL,
 * control characters, too long. */
int location_resolve(const char *base, const char *location, char out[LOCATION_SIZE],
		     bool *is_upgraded, struct error *e);

/* OUT becomes URL with "digest=sha256:..." appended to its query. STATUS_FAILED when too long. */
int location_append_digest(const char *url, const struct digest *digest, char out[LOCATION_SIZE],
			   struct error *e);

/* Whether both URLs have the same host and port; a default port may be spelled out. The scheme
 * counts only through its default port. */
bool location_same_host(const char *a, const char *b);

/* Whether "host[:port]" is this machine: localhost, *.localhost, 127.0.0.0/8, [::1]. */
bool location_is_loopback_host(const char *host);
bool location_is_loopback(const char *url);

/* OUT becomes URL fit for a trace: the values in its query become "...", but for those of digest,
 * mount and from. Cut to fit. */
void location_redact(const char *url, char out[LOCATION_SIZE]);

/* OUT becomes URL without its query, for a message. */
void location_plain(const char *url, char out[LOCATION_SIZE]);

#endif
