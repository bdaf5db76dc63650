/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl took is not yet sent: its buffer, that of TLS and the kernel's lie between, and
 * libcurl 8 takes a block a second for a socket that takes nothing. So progress is what the peer
 * has acknowledged. Since libcurl 8 a socket can't be asked for during a transfer: we keep those
 * that were opened, and know that of a request by its local port, which libcurl tells before it
 * sends. */
#include "wire.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/tcp.h>)
#include <linux/tcp.h> /* of the kernel: the C library's tcp_info ends before bytes_acked */
#define HAS_ACKED
#endif
#endif

/* Bytes that were acknowledged since FD was connected; -1: not known. */
static int64_t acked(int fd)
{
#ifdef HAS_ACKED
	struct tcp_info info;
	socklen_t len = sizeof info;
	memset(&info, 0, sizeof info);
	/* The first SYN counts as one: 0 is said by a system that does not count. */
	if (fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    info.tcpi_bytes_acked > 0)
		return (int64_t)info.tcpi_bytes_acked;
#else
	(void)fd;
#endif
	return -1;
}

#if LIBCURL_VERSION_NUM >= 0x075000
static int local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	memset(&address, 0, sizeof address);
	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return -1;
}

static int on_request(void *context, char *peer_ip, char *local_ip, int peer_port, int port)
{
	struct wire *w = context;
	(void)peer_ip, (void)local_ip, (void)peer_port;
	w->fd = -1;
	for (int i = 0; i < w->count && w->fd < 0; i++)
		if (local_port(w->fds[i]) == port)
			w->fd = w->fds[i];
	w->base = acked(w->fd);
	return CURL_PREREQFUNC_OK;
}
#endif

void wire_watch(struct wire *w, CURL *easy)
{
	w->fd = -1;
#if LIBCURL_VERSION_NUM >= 0x075000
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, w);
#else
	(void)easy;
#endif
}

curl_socket_t wire_open(struct wire *w, const struct curl_sockaddr *address)
{
	curl_socket_t fd = socket(address->family, address->socktype, address->protocol);
	if (fd == CURL_SOCKET_BAD)
		return fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for credential helpers */
	if (w->count < WIRE_SOCKETS)
		w->fds[w->count++] = fd;
	return fd;
}

void wire_forget(struct wire *w, curl_socket_t fd)
{
	for (int i = 0; i < w->count; i++)
		if (w->fds[i] == fd)
			w->fds[i--] = w->fds[--w->count];
	if (w->fd == fd)
		w->fd = -1;
}

bool wire_has_answer(const struct wire *w)
{
	char byte;
	return w->fd >= 0 && recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

int64_t wire_arrived(const struct wire *w, int64_t sent)
{
	int64_t now = acked(w->fd);
	return now < 0 ? sent : now - w->base;
}
