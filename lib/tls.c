/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include "program.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_SIZE = 64 };

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, address, sizeof in6);
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
	}
	return false;
}

bool tls_allows(struct tls *t, const struct sockaddr *address)
{
	t->is_loopback = is_loopback(address);
	if (!t->is_plain || t->is_loopback || t->trust->is_plain_http)
		return true;
	t->has_refused = true;
	return false;
}

/* Sees the messages of the handshake. */
static void on_message(int is_ours, int version, int type, const void *data, size_t len, SSL *ssl,
		       void *context)
{
	struct tls *t = context;
	const unsigned char *bytes = data;
	(void)version, (void)ssl;
	if (is_ours || (type != SSL3_RT_HANDSHAKE && type != SSL3_RT_ALERT))
		return;
	t->has_spoken = true;
	if (type == SSL3_RT_HANDSHAKE && len > 0 && bytes[0] == SSL3_MT_CERTIFICATE_REQUEST)
		t->wants_certificate = true;
	if (type == SSL3_RT_ALERT && len == 2 && bytes[0] == SSL3_AL_FATAL)
		t->alert = bytes[1];
}

static void add_ca(SSL_CTX *context, const char *file)
{
	if (SSL_CTX_load_verify_locations(context, file, NULL) != 1)
		program_warn("%s: no CA certificate in it", file);
}

/* The extra CAs go beside the system's, which libcurl has loaded. */
static CURLcode on_context(CURL *easy, void *context, void *user)
{
	struct tls *t = user;
	const struct trust *trust = t->trust;
	(void)easy;
	SSL_CTX_set_msg_callback(context, on_message);
	SSL_CTX_set_msg_callback_arg(context, t);
	if (trust->cacert)
		add_ca(context, trust->cacert);
	for (size_t i = 0; i < trust->certs.ca_count; i++)
		add_ca(context, trust->certs.ca[i]);
	return CURLE_OK;
}

/* What VARIABLE names, else FILE, for which libcurl was built, if it is there: without it libcurl would
 * not even connect. */
static const char *or_system(const char *variable, const char *file)
{
	const char *named = program_env(variable);
	return named || !file || access(file, R_OK) ? named : file;
}

static const char *ca_file(void)
{
	return or_system("SSL_CERT_FILE", curl_version_info(CURLVERSION_NOW)->cainfo);
}

static const char *ca_dir(void)
{
	return or_system("SSL_CERT_DIR", curl_version_info(CURLVERSION_NOW)->capath);
}

void tls_set(struct tls *t, CURL *easy, const char *url, bool is_registry)
{
	const struct trust *trust = t->trust;
	const char *cert = trust->cert ? trust->cert : trust->certs.cert;
	const char *key = trust->key ? trust->key : trust->certs.key;
	t->is_plain = strncasecmp(url, "http:", 5) == 0;
	t->has_refused = t->has_spoken = t->wants_certificate = false;
	t->has_certificate = is_registry && *cert;
	t->alert = 0;
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, t);
	/* In clear only this machine is spoken to, which no proxy stands for. */
	if (t->is_plain && !trust->is_plain_http)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (trust->is_verify_off) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (t->has_certificate) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
		/* A key with a passphrase is refused, not asked for. */
		curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
	}
	curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file());
	curl_easy_setopt(easy, CURLOPT_CAPATH, ca_dir());
}

bool tls_is_missing(const struct tls *t, CURL *easy, CURLcode code)
{
	long connect = 0;
	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect);
	return code == CURLE_SSL_CONNECT_ERROR && t->is_loopback && !t->has_spoken && !connect;
}

static const char *verify_hint(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired: it is for the registry to renew it, unless the clock "
		       "here is wrong: it says";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet: set the clock here if it is wrong: it says";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return ca_file() || program_env("SSL_CERT_DIR")
			       ? "its certificate is of an unknown CA: name the CA's file with --cacert"
			       : "this system has no CAs: install ca-certificates, or name a file with --cacert";
	default:
		return NULL;
	}
}

/* " YEAR-MONTH-DAY HOUR:MINUTE ZONE" for a result that is about time, else "". */
static const char *clock_text(long result, char text[CLOCK_SIZE])
{
	struct tm tm;
	time_t now = time(NULL);
	*text = '\0';
	if ((result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID) &&
	    localtime_r(&now, &tm))
		strftime(text, CLOCK_SIZE, " %Y-%m-%d %H:%M %Z", &tm);
	return text;
}

/* What the peer has against us. An alert about the client certificate comes after the handshake and
 * may get lost in the end of the connection. */
static bool explain_end(const struct tls *t, CURLcode code, char *text, size_t size)
{
	bool is_lost = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
	switch (t->alert) {
	case 0:
		if (is_lost && t->wants_certificate)
			snprintf(text, size, "it ended the connection after it asked for a client "
					     "certificate%s",
				 t->has_certificate ? ", and got ours" : ": --cert and --key");
		return is_lost && t->wants_certificate;
	case SSL_AD_CERTIFICATE_REQUIRED:
		snprintf(text, size, "it wants a client certificate: --cert and --key");
		return true;
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
		snprintf(text, size, "it refuses the client certificate: %s",
			 SSL_alert_desc_string_long(t->alert));
		return true;
	default:
		snprintf(text, size, "it ended the TLS connection: %s",
			 SSL_alert_desc_string_long(t->alert));
		return true;
	}
}

bool tls_explain(const struct tls *t, CURL *easy, CURLcode code, char *text, size_t size)
{
	long result = 0;
	char now[CLOCK_SIZE];
	if (t->has_refused && code == CURLE_COULDNT_CONNECT) {
		snprintf(text, size, "plain HTTP to another machine is refused; --plain-http allows it");
		return true;
	}
	if (code == CURLE_SSL_CERTPROBLEM) {
		snprintf(text, size, "the client certificate or its key can't be used");
		return true;
	}
	if (code == CURLE_SSL_CACERT_BADFILE) {
		snprintf(text, size, "the CAs of SSL_CERT_FILE or of the system can't be read");
		return true;
	}
	if (code != CURLE_PEER_FAILED_VERIFICATION)
		return explain_end(t, code, text, size);
	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &result);
	const char *hint = verify_hint(result);
	/* libcurl looks at the name first and leaves the result at "unspecified" if it is wrong. */
	if (hint)
		snprintf(text, size, "%s%s", hint, clock_text(result, now));
	else if (result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED)
		snprintf(text, size, "its certificate is for another host: use the name that is in it");
	else
		snprintf(text, size, "its certificate is refused: %s",
			 X509_verify_cert_error_string(result));
	return true;
}
