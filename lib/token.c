/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "answer.h"
#include "buffer.h"
#include "digest.h"
#include "file.h"
#include "json.h"
#include "location.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 1 << 20,
	FILE_MAX = 64 * 1024,
	LIFE_DEFAULT_S = 60, /* where the service does not say */
	LIFE_MAX_S = 24 * 3600,
	TIMEOUT_S = 30,
	FORM_MAX = 3 * CREDENTIAL_SECRET_SIZE + LOCATION_SIZE,
};

#define CLIENT_ID "cog-push"

/* Appends "<SEPARATOR>NAME=VALUE" percent-encoded; nothing for an empty VALUE. */
static int add_field(struct buffer *b, const char *name, const char *value, struct error *e)
{
	if (!*value)
		return 0;
	bool is_first = b->len == 0 || strchr("?&", b->data[b->len - 1]);
	const char *separator = is_first ? "" : "&";
	char *encoded = curl_easy_escape(NULL, value, 0);
	if (!encoded)
		return error_errno(e, "memory");
	int rc = buffer_append(b, separator, strlen(separator), e) ||
				 buffer_append(b, name, strlen(name), e) ||
				 buffer_append(b, "=", 1, e) ||
				 buffer_append(b, encoded, strlen(encoded), e)
			 ? -1
			 : 0;
	OPENSSL_cleanse(encoded, strlen(encoded));
	curl_free(encoded);
	return rc;
}

/* Each of the scopes in SCOPE, which spaces separate, as a field of its own. */
static int add_scopes(struct buffer *b, const char *scope, struct error *e)
{
	char one[sizeof ((struct challenge *)0)->scope];
	while (*scope) {
		size_t len = strcspn(scope, " ");
		snprintf(one, sizeof one, "%.*s", (int)len, scope);
		if (add_field(b, "scope", one, e))
			return -1;
		scope += len;
		scope += strspn(scope, " ");
	}
	return 0;
}

static int64_t life_of(const json_t *root)
{
	int64_t life = json_size(root, "expires_in");
	if (life <= 0)
		return LIFE_DEFAULT_S;
	return life < LIFE_MAX_S ? life : LIFE_MAX_S;
}

/* Whether TEXT can be a header: visible ASCII. */
static bool is_usable(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return strlen(text) < TOKEN_SIZE;
}

static int read_answer(const char *method, const struct http_response *a, struct token *t,
		       struct error *e)
{
	struct error hidden;
	json_t *root = json_parse("", a->body.data, a->body.len, &hidden);
	const char *text = json_text(root, "token");
	if (!text || !*text)
		text = json_text(root, "access_token");
	int rc = 0;
	if (!text || !*text)
		rc = answer_failed(method, a, "the token service gave no token", e);
	else if (!is_usable(text))
		rc = answer_failed(method, a, "the token service gave an unusable token", e);
	else
		snprintf(t->text, sizeof t->text, "%s", text);
	int64_t age = life_of(root) * 4 / 5;
	t->renew_at = (int64_t)time(NULL) + (age > 0 ? age : 1);
	json_decref(root);
	return rc;
}

static int64_t read_form(void *context, int64_t offset, void *data, size_t len, struct error *e)
{
	const struct buffer *form = context;
	(void)e;
	memcpy(data, form->data + offset, len);
	return (int64_t)len;
}

/* A request for a token. */
struct exchange {
	struct http *http;
	const char *realm; /* absolute */
	const struct credential *credential;
	struct token *token;
	struct http_response answer;
};

/* A refusal is shown with what its body says, unless that echoes the secret. */
static int refused(const char *method, struct exchange *x, struct error *e)
{
	struct buffer *body = &x->answer.body;
	const char *secret = x->credential->secret;
	if (body->len && *secret && strstr(body->data, secret))
		buffer_clear(body);
	return answer_refused(method, &x->answer, e);
}

/* OAuth2: POST of the identity token. Returns 1 when GET is worth a try. */
static int post(struct exchange *x, struct error *e)
{
	const struct challenge *ch = &x->token->challenge;
	struct buffer form;
	buffer_init(&form, FORM_MAX);
	int rc = -1;
	if (add_field(&form, "grant_type", "refresh_token", e) ||
	    add_field(&form, "service", ch->service, e) ||
	    add_field(&form, "client_id", CLIENT_ID, e) || add_field(&form, "scope", ch->scope, e) ||
	    add_field(&form, "refresh_token", x->credential->secret, e))
		goto out;
	struct http_body body = {.size = (int64_t)form.len, .read = read_form, .context = &form};
	struct http_request q = {.method = "POST",
				 .url = x->realm,
				 .content_type = "application/x-www-form-urlencoded",
				 .body = &body,
				 .keeps_redirect = true,
				 .timeout_s = TIMEOUT_S};
	if (http_send(x->http, &q, &x->answer, e))
		goto out;
	int status = x->answer.status;
	if (answer_is_success(&x->answer))
		rc = read_answer("POST", &x->answer, x->token, e);
	else if (status == 400 || status == 401 || status == 404 || status == 405)
		rc = 1;
	else
		rc = refused("POST", x, e);
out:
	buffer_wipe(&form);
	return rc;
}

/* "Basic <base64 of user:secret>", wiped and freed by the caller; NULL without a secret. */
static char *basic(const struct credential *c)
{
	if (c->kind == CREDENTIAL_NONE)
		return NULL;
	size_t len = strlen(c->user) + 1 + strlen(c->secret);
	char *plain = malloc(len + 1), *header = malloc(len * 4 / 3 + 16);
	if (!plain || !header)
		abort();
	snprintf(plain, len + 1, "%s:%s", c->user, c->secret);
	memcpy(header, "Basic ", 7);
	EVP_EncodeBlock((unsigned char *)header + 6, (const unsigned char *)plain, (int)len);
	OPENSSL_cleanse(plain, len);
	free(plain);
	return header;
}

static int get(struct exchange *x, struct error *e)
{
	const struct challenge *ch = &x->token->challenge;
	struct buffer url;
	char *authorization = basic(x->credential);
	int rc = -1;
	buffer_init(&url, LOCATION_SIZE - 1);
	if (buffer_append(&url, x->realm, strlen(x->realm), e) ||
	    (!strchr(x->realm, '?') && buffer_append(&url, "?", 1, e)) ||
	    add_field(&url, "service", ch->service, e) || add_scopes(&url, ch->scope, e) ||
	    (authorization && add_field(&url, "account", x->credential->user, e)))
		goto out;
	struct http_request q = {.method = "GET",
				 .url = url.data,
				 .authorization = authorization,
				 .timeout_s = TIMEOUT_S};
	if (http_send(x->http, &q, &x->answer, e))
		goto out;
	rc = answer_is_success(&x->answer) ? read_answer("GET", &x->answer, x->token, e)
					   : refused("GET", x, e);
out:
	if (authorization)
		OPENSSL_cleanse(authorization, strlen(authorization));
	free(authorization);
	buffer_release(&url);
	return rc;
}

/* The realm may be relative. A service on plain HTTP is for a registry that is as well. */
static int resolve_realm(const char *base_url, const char *realm, char out[LOCATION_SIZE],
			 struct error *e)
{
	bool is_upgraded;
	struct error why = {0};
	if (location_resolve(base_url, realm, out, &is_upgraded, &why))
		return error_set(e, STATUS_FAILED, "the token service that %.150s names: %s", base_url,
				 why.text);
	return 0;
}

int token_fetch(struct http *http, const struct credential *c, struct token *t, struct error *e)
{
	char realm[LOCATION_SIZE];
	struct exchange x = {.http = http, .realm = realm, .credential = c, .token = t};
	http_response_init(&x.answer);
	x.answer.body.max = ANSWER_MAX;
	t->text[0] = '\0';
	int rc = resolve_realm(t->url, t->challenge.realm, realm, e);
	if (rc == 0 && c->kind == CREDENTIAL_IDENTITY_TOKEN)
		rc = post(&x, e);
	else if (rc == 0)
		rc = 1;
	if (rc == 1)
		rc = get(&x, e);
	buffer_wipe(&x.answer.body);
	http_response_release(&x.answer);
	return rc;
}

/* Sharing */

void token_store_init(struct token_store *s, const char *dir, const char *repository)
{
	struct digest d;
	s->dir = dir;
	digest_of(&d, repository, strlen(repository));
	snprintf(s->name, sizeof s->name, "token.%.32s", digest_hex(&d));
}

static int open_dir(const struct token_store *s)
{
	return s->dir ? open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void copy(char *to, size_t size, const json_t *root, const char *key)
{
	const char *value = json_text(root, key);
	snprintf(to, size, "%s", value ? value : "");
}

bool token_load(const struct token_store *s, struct token *t)
{
	struct buffer text;
	struct error ignored;
	json_t *root = NULL;
	int fd = open_dir(s);
	memset(t, 0, sizeof *t);
	if (fd < 0)
		return false;
	buffer_init(&text, FILE_MAX);
	if (file_read(fd, s->name, &text, &ignored) == 0)
		root = json_parse("", text.data, text.len, &ignored);
	copy(t->text, sizeof t->text, root, "token");
	if (!is_usable(t->text))
		t->text[0] = '\0';
	copy(t->challenge.scheme, sizeof t->challenge.scheme, root, "scheme");
	copy(t->challenge.realm, sizeof t->challenge.realm, root, "realm");
	copy(t->challenge.service, sizeof t->challenge.service, root, "service");
	copy(t->challenge.scope, sizeof t->challenge.scope, root, "scope");
	copy(t->url, sizeof t->url, root, "url");
	t->renew_at = json_size(root, "renewAt");
	json_decref(root);
	buffer_wipe(&text);
	close(fd);
	return *t->challenge.scheme != '\0';
}

void token_save(const struct token_store *s, const struct token *t)
{
	struct error ignored;
	int fd = open_dir(s);
	if (fd < 0)
		return;
	const struct challenge *ch = &t->challenge;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "url", t->url, "token",
				 t->text, "scheme", ch->scheme, "realm", ch->realm, "service",
				 ch->service, "scope", ch->scope, "renewAt",
				 (json_int_t)t->renew_at);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text) {
		(void)file_replace_private(fd, s->name, text, strlen(text), &ignored);
		OPENSSL_cleanse(text, strlen(text));
	}
	free(text);
	json_decref(root);
	close(fd);
}

int token_lock(const struct token_store *s)
{
	char name[sizeof s->name + 8];
	struct error ignored;
	int fd = open_dir(s);
	if (fd < 0)
		return -1;
	snprintf(name, sizeof name, "%s.lock", s->name);
	int lock = file_lock(fd, name, &ignored);
	close(fd);
	return lock;
}
