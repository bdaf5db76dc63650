/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include "program.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_false(const char *value)
{
	return strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0;
}

static bool is_true(const char *value)
{
	return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

void trust_options_init(struct trust_options *o)
{
	const char *verify = program_env("COG_PUSH_TLS_VERIFY");
	const char *plain = program_env("COG_PUSH_PLAIN_HTTP");
	*o = (struct trust_options){
		.cacert = program_env("COG_PUSH_CACERT"),
		.cert = program_env("COG_PUSH_CERT"),
		.key = program_env("COG_PUSH_KEY"),
		.is_verify_off = verify && is_false(verify),
		.is_plain_http = plain && is_true(plain),
	};
}

int trust_option(struct trust_options *o, int option, const char *value, struct error *e)
{
	switch (option) {
	case TRUST_CACERT:
		o->cacert = value;
		return 0;
	case TRUST_CERT:
		o->cert = value;
		return 0;
	case TRUST_KEY:
		o->key = value;
		return 0;
	case TRUST_VERIFY:
		if (!is_false(value) && !is_true(value))
			return error_set(e, STATUS_USAGE, "--tls-verify: '%s' is neither true nor false",
					 value);
		o->is_verify_off = is_false(value);
		return 0;
	case TRUST_PLAIN:
		o->is_plain_http = true;
		return 0;
	default:
		return 0;
	}
}

static int check_file(const char *option, const char *path, struct error *e)
{
	if (!path || access(path, R_OK) == 0)
		return 0;
	error_errno(e, "%s %s", option, path);
	e->status = STATUS_USAGE;
	return -1;
}

int trust_init(struct trust *t, const struct trust_options *o, const char *registry,
	       struct error *e)
{
	t->options = *o;
	if (!o->cert != !o->key)
		return error_set(e, STATUS_USAGE, "--cert and --key belong together");
	if (check_file("--cacert", o->cacert, e) || check_file("--cert", o->cert, e) ||
	    check_file("--key", o->key, e))
		return -1;
	return certs_find(registry, &t->certs, e);
}
