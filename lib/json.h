/* SPDX-License-Identifier: Apache-2.0 */
/* json: jansson with our limits. A module parses its own text, copies what it needs into structs of
 * its own and frees the tree before it returns: no owned json_t crosses a module's border. */
#ifndef JSON_H
#define JSON_H

#include "error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Caps of JSON documents from outside, in bytes. */
#define JSON_MANIFEST_MAX (4u << 20) /* registries take no larger manifest */
#define JSON_CONFIG_MAX (4u << 20)
#define JSON_INDEX_MAX (16u << 20) /* index.json, manifest.json */

/* Parses one document, of any type. NAME is for the message. Returns a tree that the caller frees with
 * json_decref(), or NULL with STATUS_DATA. */
json_t *json_parse(const char *name, const char *text, size_t len, struct error *e);

/* Members of OBJECT; borrowed. Absent or of another type: NULL and -1. */
const char *json_text(const json_t *object, const char *key);
int64_t json_size(const json_t *object, const char *key);
json_t *json_list(const json_t *object, const char *key);

/* SET is an object whose keys are a set. Adds KEY; returns whether it was not in it. */
bool json_set_add(json_t *set, const char *key);

#endif
