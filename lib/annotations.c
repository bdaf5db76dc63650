/* SPDX-License-Identifier: Apache-2.0 */
#include "annotations.h"

#include <string.h>

static size_t key_len(const char *item)
{
	return strcspn(item, "=");
}

/* Bytewise, as other tools sort them. */
static int compare_keys(const char *a, const char *b)
{
	size_t len_a = key_len(a), len_b = key_len(b);
	int order = memcmp(a, b, len_a < len_b ? len_a : len_b);
	return order ? order : (len_a > len_b) - (len_a < len_b);
}

static int check(const char *text, struct error *e)
{
	size_t len = key_len(text);
	if (len == 0 || !text[len])
		return error_set(e, STATUS_USAGE, "'%.200s': not KEY=VALUE", text);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return error_set(e, STATUS_USAGE, "'%.200s': a control character in the key",
					 text);
	json_t *value = json_string(text);
	if (!value)
		return error_set(e, STATUS_USAGE, "'%.200s': not UTF-8", text);
	json_decref(value);
	return 0;
}

int annotations_add(struct annotations *a, const char *text, struct error *e)
{
	size_t at = a->count;
	if (check(text, e))
		return -1;
	if (a->count == ANNOTATIONS_MAX)
		return error_set(e, STATUS_USAGE, "more than %d annotations", ANNOTATIONS_MAX);
	while (at > 0 && compare_keys(text, a->items[at - 1]) < 0)
		at--;
	if (at > 0 && compare_keys(text, a->items[at - 1]) == 0)
		return error_set(e, STATUS_USAGE, "'%.*s' is given twice", (int)key_len(text), text);
	memmove(a->items + at + 1, a->items + at, (a->count - at) * sizeof *a->items);
	a->items[at] = text;
	a->count++;
	return 0;
}

void annotations_write(const struct annotations *a, json_t *object)
{
	if (a->count == 0)
		return;
	json_t *notes = json_object_get(object, "annotations");
	if (!json_is_object(notes)) {
		notes = json_object();
		json_object_set_new(object, "annotations", notes);
	}
	for (size_t i = 0; i < a->count; i++) {
		const char *item = a->items[i];
		size_t len = key_len(item);
		json_t *key = json_stringn(item, len);
		json_object_set_new(notes, json_string_value(key), json_string(item + len + 1));
		json_decref(key);
	}
}
