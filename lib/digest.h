/* SPDX-License-Identifier: Apache-2.0 */
/* digest: the name of content, and how to compute it. sha256 alone: the one algorithm that every
 * registry and runtime knows (OCI image-spec, descriptor.md, "Registered algorithms"). */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_HEX_LEN 64
#define DIGEST_TEXT_LEN 71 /* "sha256:" and the hex digits */

struct digest {
	char text[DIGEST_TEXT_LEN + 1]; /* "sha256:<64 lower-case hex>"; "" for none */
};

/* 0, or -1 when TEXT (NULL allowed) is anything but a sha256 digest; D is then empty. */
int digest_parse(struct digest *d, const char *text);

const char *digest_hex(const struct digest *d); /* the 64 hex digits, borrowed */
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_set(const struct digest *d);

/* The digest of bytes in memory. */
void digest_of(struct digest *d, const void *data, size_t len);

/* A running sha256. hasher_new() ends the program when there is no memory: nothing can go on. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_free(struct hasher *h);
void hasher_update(struct hasher *h, const void *data, size_t len);
/* Gives the digest of all bytes since the start, and starts again. */
void hasher_final(struct hasher *h, struct digest *d);
/* The digest of the bytes so far; H goes on. */
void hasher_peek(const struct hasher *h, struct digest *d);

#endif
