/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of a handshake: whether the connection ended. OpenSSL has no reason of its own then, or this one. */
static bool is_closed(const struct outcome *o)
{
	return !strstr(o->why, "error:") || strstr(o->why, "unexpected eof");
}

/* A proxy that was asked for a tunnel and answered: its status; 0: none did. */
static int tunnel_status(const struct outcome *o)
{
	int status = 0;
	if (sscanf(o->why, "CONNECT tunnel failed, response %d", &status) != 1)
		(void)sscanf(o->why, "Received HTTP code %d from proxy after CONNECT", &status);
	return status;
}

/* Whether the host that could not be connected to is another than that of the URL: libcurl says
 * "Failed to connect to HOST port PORT ...". */
static bool is_proxy(const struct outcome *o)
{
	char host[256], plain[270], bracketed[270];
	if (sscanf(o->why, "Failed to connect to %255s port", host) != 1)
		return false;
	snprintf(plain, sizeof plain, "://%s", host);
	snprintf(bracketed, sizeof bracketed, "://[%s]", host);
	return !strstr(o->url, plain) && !strstr(o->url, bracketed);
}

static const char *connect_reason(const struct outcome *o)
{
	static char text[200];
	const char *os_reason = o->os_error ? strerror((int)o->os_error) : "no connection";
	const char *hint = "";
	if (is_proxy(o))
		hint = ": of the proxy that https_proxy or http_proxy names";
	else if (o->os_error == ECONNREFUSED)
		hint = ": is the port right, and does the registry run?";
	snprintf(text, sizeof text, "%s%s", os_reason, hint);
	return text;
}

/* With what libcurl says and what to do. */
static const char *say(const struct outcome *o, const char *hint)
{
	static char text[CURL_ERROR_SIZE + 120];
	snprintf(text, sizeof text, "%s%s", *o->why ? o->why : curl_easy_strerror(o->code), hint);
	return text;
}

enum status outcome_status(const struct outcome *o)
{
	int tunnel = tunnel_status(o);
	if (tunnel >= 400 && tunnel < 500)
		return STATUS_FAILED;
	switch (o->code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return STATUS_TEMPORARY;
	case CURLE_SSL_CONNECT_ERROR:
		/* libcurl may still have the errno of an earlier request. */
		return (o->has_tls ? is_closed(o) : o->os_error != 0) ? STATUS_TEMPORARY
								      : STATUS_FAILED;
	default:
		return STATUS_FAILED;
	}
}

const char *outcome_reason(const struct outcome *o)
{
	const char *os_reason = o->os_error ? strerror((int)o->os_error) : NULL;
	if (tunnel_status(o) == 407)
		return "the proxy wants a password: https_proxy=http://USER:PASSWORD@HOST:PORT";
	if (tunnel_status(o))
		return say(o, ": the proxy does not let us through; no_proxy leaves it out");
	switch (o->code) {
	case CURLE_COULDNT_CONNECT:
		return connect_reason(o);
	case CURLE_COULDNT_RESOLVE_HOST:
		return say(o, ": is the name right, and the network up?");
	case CURLE_COULDNT_RESOLVE_PROXY:
		return say(o, ": it is what https_proxy or http_proxy names");
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_FAIL_REWIND:
		return "the connection was closed without an answer";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return os_reason ? os_reason : "the connection was lost";
	case CURLE_SSL_CONNECT_ERROR:
		if (o->has_tls)
			return is_closed(o) ? "the connection was closed before TLS was set up"
					    : o->why;
		return os_reason ? os_reason
				 : "no TLS: --plain-http is for a registry that speaks none";
	default:
		return *o->why ? o->why : curl_easy_strerror(o->code);
	}
}
