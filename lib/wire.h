/* SPDX-License-Identifier: Apache-2.0 */
/* wire: the connection under a request of libcurl, which tells little of it: whether the peer has
 * said something, and how many bytes have arrived there. */
#ifndef WIRE_H
#define WIRE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	WIRE_SOCKETS = 8, /* libcurl keeps 5 connections, and opens 2 at once */
};

/* Zeroed before its first use. */
struct wire {
	curl_socket_t fds[WIRE_SOCKETS];
	int count;
	curl_socket_t fd; /* of this request; -1: not known */
	int64_t base;	  /* bytes that were acknowledged on it before */
};

/* Sets options of EASY, after each reset of it. W is borrowed for its next request. */
void wire_watch(struct wire *w, CURL *easy);

/* For libcurl: a socket as it would open it. */
curl_socket_t wire_open(struct wire *w, const struct curl_sockaddr *address);

/* FD is about to be closed. */
void wire_forget(struct wire *w, curl_socket_t fd);

/* Whether there are bytes to read; that the peer has closed is no answer. False where that can't be known. */
bool wire_has_answer(const struct wire *w);

/* Bytes of this request, headers and TLS included, of which the peer's system has acknowledged the
 * receipt; SENT where this one can't say. */
int64_t wire_arrived(const struct wire *w, int64_t sent);

#endif
