/* SPDX-License-Identifier: Apache-2.0 */
/* The request is one of HTTP/1.0: the answer has no chunks then, and ends with the connection. What comes after its
 * header is the tar and nothing else, so the header is read byte by byte: whoever gets the descriptor finds the
 * first byte of the tar. */
#include "engine.h"

#include "buffer.h"
#include "json.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	HEADER_MAX = 16 * 1024,
	MESSAGE_MAX = 64 * 1024,
};

bool engine_is_name(const char *image)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@-";
	return *image && *image != '/' && strspn(image, allowed) == strlen(image) && !strstr(image, "..");
}

static int dial(const char *path, struct error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(e, STATUS_FAILED, "%.200s: too long for a socket", path);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return error_errno(e, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
		error_errno(e, "%.200s", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int ask(int fd, const char *image, struct error *e)
{
	char request[600];
	int len = snprintf(request, sizeof request, "GET /images/%s/get HTTP/1.0\r\nHost: docker\r\n\r\n", image);
	if (len >= (int)sizeof request)
		return error_set(e, STATUS_FAILED, "'%.100s...': name too long", image);
	/* It is short enough for a new socket to take it at once. */
	return write(fd, request, (size_t)len) == len ? 0 : error_errno(e, "docker");
}

/* Appends up to LEN bytes. Returns how many, or -1. */
static ssize_t receive(int fd, struct buffer *to, size_t len, struct error *e)
{
	char bytes[4096];
	ssize_t n;
	do
		n = program_is_interrupted() ? -1 : read(fd, bytes, len < sizeof bytes ? len : sizeof bytes);
	while (n < 0 && errno == EINTR && !program_is_interrupted());
	if (program_is_interrupted())
		return program_interrupted(e);
	if (n < 0)
		return error_errno(e, "docker");
	return buffer_append(to, bytes, (size_t)n, e) ? -1 : n;
}

static int read_header(int fd, struct buffer *header, struct error *e)
{
	ssize_t n = 1;
	while (n > 0 && (header->len < 4 || memcmp(header->data + header->len - 4, "\r\n\r\n", 4) != 0))
		n = receive(fd, header, 1, e);
	return n == 0 ? error_set(e, STATUS_FAILED, "docker: it closed the connection without an answer") : n < 0 ? -1 : 0;
}

/* The daemon says why in JSON. */
static int refused(int fd, int status, struct error *e)
{
	struct buffer text;
	struct error ignored;
	json_t *answer = NULL;
	ssize_t n = 1;
	buffer_init(&text, MESSAGE_MAX);
	while (n > 0)
		n = receive(fd, &text, MESSAGE_MAX, &ignored);
	if (text.len)
		answer = json_parse("docker", text.data, text.len, &ignored);
	const char *message = answer ? json_text(answer, "message") : NULL;
	error_set(e, STATUS_FAILED, "docker: %.400s (%d)", message ? message : "it refuses to save the image", status);
	json_decref(answer);
	buffer_release(&text);
	return -1;
}

int engine_export(const char *socket, const char *image, struct error *e)
{
	struct buffer header;
	int status = 0, rc = -1, fd = dial(socket, e);
	if (fd < 0)
		return -1;
	program_trace("ask %s for %s", socket, image);
	buffer_init(&header, HEADER_MAX);
	if (ask(fd, image, e) == 0 && read_header(fd, &header, e) == 0) {
		if (sscanf(header.data, "HTTP/1.%*1[01] %3d", &status) != 1)
			error_set(e, STATUS_FAILED, "%.200s: not docker: '%.80s'", socket, header.data);
		else
			rc = status == 200 ? 0 : refused(fd, status, e);
	}
	buffer_release(&header);
	if (rc == 0)
		return fd;
	close(fd);
	return -1;
}
