/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

json_t *json_parse(const char *name, const char *text, size_t len, struct error *e)
{
	json_error_t why;
	json_t *root = json_loadb(text ? text : "", len, JSON_DECODE_ANY, &why);
	if (!root)
		error_set(e, STATUS_DATA, "%s: not JSON: line %d: %s", name, why.line, why.text);
	return root;
}

const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

int64_t json_size(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
									: -1;
}

json_t *json_list(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	return json_is_array(value) ? value : NULL;
}

bool json_set_add(json_t *set, const char *key)
{
	if (json_object_get(set, key))
		return false;
	json_object_set_new(set, key, json_true());
	return true;
}
