/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <string.h>

/* Of a handshake: whether the connection ended. OpenSSL has no reason of its own then, or this one. */
static bool is_closed(const struct outcome *o)
{
	return !strstr(o->why, "error:") || strstr(o->why, "unexpected eof");
}

enum status outcome_status(const struct outcome *o)
{
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
	switch (o->code) {
	case CURLE_COULDNT_CONNECT:
		return os_reason ? os_reason : "no connection";
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
