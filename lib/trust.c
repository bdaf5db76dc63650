/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include "program.h"

#include <string.h>
#include <unistd.h>

/* NAME (an option or a variable) is for the message. */
static int read_boolean(const char *name, const char *value, bool *is_true, struct error *e)
{
	*is_true = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	if (*is_true || strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		return 0;
	return error_set(e, STATUS_USAGE, "%s: '%.100s' is neither true nor false", name, value);
}

void trust_options_init(struct trust_options *o)
{
	*o = (struct trust_options){0};
}

int trust_option(struct trust_options *o, int option, const char *value, struct error *e)
{
	bool ignored;
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
		o->verify = value;
		return read_boolean("--tls-verify", value, &ignored, e);
	case TRUST_PLAIN:
		o->plain_http = "true";
		return 0;
	default:
		return 0;
	}
}

static const char *or_environment(const char *said, const char *name)
{
	return said ? said : program_env(name);
}

/* *IS_TRUE stays where neither the option nor the variable NAME says anything. */
static int read_switch(const char *said, const char *name, bool *is_true, struct error *e)
{
	const char *value = or_environment(said, name);
	return value ? read_boolean(name, value, is_true, e) : 0;
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
	bool is_verify_on = true;
	*t = (struct trust){
		.cacert = or_environment(o->cacert, "COG_PUSH_CACERT"),
		.cert = or_environment(o->cert, "COG_PUSH_CERT"),
		.key = or_environment(o->key, "COG_PUSH_KEY"),
	};
	if (read_switch(o->verify, "COG_PUSH_TLS_VERIFY", &is_verify_on, e) ||
	    read_switch(o->plain_http, "COG_PUSH_PLAIN_HTTP", &t->is_plain_http, e))
		return -1;
	t->is_verify_off = !is_verify_on;
	if (!t->cert != !t->key)
		return error_set(e, STATUS_USAGE, "--cert and --key belong together");
	if (check_file("--cacert", t->cacert, e) || check_file("--cert", t->cert, e) ||
	    check_file("--key", t->key, e))
		return -1;
	return certs_find(registry, &t->certs, e);
}
