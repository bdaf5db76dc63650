/* SPDX-License-Identifier: Apache-2.0 */
/* tls: what keeps a libcurl transfer safe: certificates, verification, no plain HTTP to another
 * machine; and what to tell a user when it stops one. */
#ifndef TLS_H
#define TLS_H

#include "trust.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct tls {
	const struct trust *trust; /* borrowed */
	bool is_plain;		   /* the current URL is http:// */
	bool is_loopback;	   /* the address that was connected to last is this machine's */
	bool has_refused;	   /* a connection in clear to another machine was not made */
	bool has_spoken;	   /* the peer has answered a greeting with TLS */
	bool wants_certificate;	   /* the peer has asked for a client certificate */
	bool has_certificate;	   /* there is one for it */
	int alert;		   /* of TLS, with which the peer ended it; 0 for none */
};

/* Sets up EASY for a transfer of URL. IS_REGISTRY: it is the registry's host, which may see the client
 * certificate. T is borrowed until the transfer has ended. */
void tls_set(struct tls *t, CURL *easy, const char *url, bool is_registry);

/* The last gate before a connection to ADDRESS, after all names and redirects: none in clear to another
 * machine, unless the user wants it. */
bool tls_allows(struct tls *t, const struct sockaddr *address);

/* After a failed transfer: whether the peer speaks no TLS, and is on this machine. One that ended the
 * handshake, or whose certificate is refused, does speak it. */
bool tls_is_missing(const struct tls *t, CURL *easy, CURLcode code);

/* After a failed transfer: writes what failed, and what to do, to TEXT and returns true; false when it
 * failed for another reason. */
bool tls_explain(const struct tls *t, CURL *easy, CURLcode code, char *text, size_t size);

#endif
