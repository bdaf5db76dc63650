/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "sha256:"
#define PREFIX_LEN (sizeof PREFIX - 1)

struct hasher {
	EVP_MD_CTX *context;
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

int digest_parse(struct digest *d, const char *text)
{
	d->text[0] = '\0';
	if (!text || strncmp(text, PREFIX, PREFIX_LEN) != 0 || strlen(text) != DIGEST_TEXT_LEN)
		return -1;
	if (strspn(text + PREFIX_LEN, "0123456789abcdef") != DIGEST_HEX_LEN)
		return -1;
	memcpy(d->text, text, DIGEST_TEXT_LEN + 1);
	return 0;
}

const char *digest_hex(const struct digest *d)
{
	return d->text + PREFIX_LEN;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return strcmp(a->text, b->text) == 0;
}

bool digest_is_set(const struct digest *d)
{
	return d->text[0] != '\0';
}

void digest_of(struct digest *d, const void *data, size_t len)
{
	struct hasher *h = hasher_new();
	hasher_update(h, data, len);
	hasher_final(h, d);
	hasher_free(h);
}

static void start(struct hasher *h)
{
	if (!EVP_DigestInit_ex(h->context, EVP_sha256(), NULL))
		abort();
}

struct hasher *hasher_new(void)
{
	struct hasher *h = must(malloc(sizeof *h));
	h->context = must(EVP_MD_CTX_new());
	start(h);
	return h;
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->context);
	free(h);
}

void hasher_update(struct hasher *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(h->context, data, len))
		abort();
}

static void finish(EVP_MD_CTX *context, struct digest *d)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!EVP_DigestFinal_ex(context, bytes, &len))
		abort();
	memcpy(d->text, PREFIX, PREFIX_LEN);
	for (unsigned i = 0; i < len; i++)
		snprintf(d->text + PREFIX_LEN + (size_t)2 * i, 3, "%02x", bytes[i]);
}

void hasher_final(struct hasher *h, struct digest *d)
{
	finish(h->context, d);
	start(h);
}

void hasher_peek(const struct hasher *h, struct digest *d)
{
	EVP_MD_CTX *copy = must(EVP_MD_CTX_new());
	if (!EVP_MD_CTX_copy_ex(copy, h->context))
		abort();
	finish(copy, d);
	EVP_MD_CTX_free(copy);
}
