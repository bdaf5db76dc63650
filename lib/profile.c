/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include "file.h"
#include "json.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 16 * 1024, AGE_S = 7 * 24 * 3600, NAME_SIZE = 300 };

bool profile_equal(const struct profile *a, const struct profile *b)
{
	return a->max_body == b->max_body && a->max_chunk == b->max_chunk &&
	       a->is_one_body == b->is_one_body && a->is_chunked == b->is_chunked &&
	       a->is_last_in_put == b->is_last_in_put && a->is_range_frozen == b->is_range_frozen;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* What would cost an upload to find out. ECR: aws/containers-roadmap#2831, openai/tart#159. Google:
 * no chunks, by its documentation (dotnet/sdk-container-builds#287). */
static void load_known(struct profile *p, const char *host)
{
	if (strstr(host, ".dkr.ecr.") && ends_with(host, ".amazonaws.com"))
		p->is_last_in_put = p->is_range_frozen = true;
	else if (strcmp(host, "public.ecr.aws") == 0 || strcmp(host, "gcr.io") == 0 ||
		 ends_with(host, ".gcr.io") || ends_with(host, "-docker.pkg.dev"))
		p->is_one_body = true;
}

static int64_t bytes(const json_t *root, const char *key)
{
	int64_t n = json_integer_value(json_object_get(root, key));
	return n > 0 ? n : 0;
}

/* Returns whether there is something that is young enough. */
static bool read_profile(struct profile *p, int dir, const char *name)
{
	struct buffer text;
	struct error ignored = {0};
	json_t *root = NULL;
	buffer_init(&text, FILE_MAX);
	if (file_read(dir, name, &text, &ignored) == 0 && text.len)
		root = json_parse(name, text.data, text.len, &ignored);
	buffer_release(&text);
	int64_t learnt_at = bytes(root, "time");
	int64_t now = (int64_t)time(NULL);
	bool is_young = root && learnt_at <= now && now - learnt_at < AGE_S;
	if (is_young)
		*p = (struct profile){
			.max_body = bytes(root, "maxBody"),
			.max_chunk = bytes(root, "maxChunk"),
			.is_one_body = json_is_true(json_object_get(root, "oneBody")),
			.is_chunked = json_is_true(json_object_get(root, "chunked")),
			.is_last_in_put = json_is_true(json_object_get(root, "lastInPut")),
			.is_range_frozen = json_is_true(json_object_get(root, "frozenRange")),
		};
	json_decref(root);
	return is_young;
}

void profile_load(struct profile *p, const char *host)
{
	char name[NAME_SIZE];
	struct error ignored = {0};
	*p = (struct profile){0};
	int dir = state_open("hosts", &ignored);
	state_host_file(host, ".json", name, sizeof name);
	if (dir < 0 || !read_profile(p, dir, name))
		load_known(p, host);
	if (dir >= 0)
		close(dir);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static int write_profile(const struct profile *p, int dir, const char *name, struct error *e)
{
	json_t *root =
		json_pack("{s:I,s:I,s:b,s:b,s:b,s:b,s:I}", "maxBody", (json_int_t)p->max_body,
			  "maxChunk", (json_int_t)p->max_chunk, "oneBody", p->is_one_body,
			  "chunked", p->is_chunked, "lastInPut", p->is_last_in_put, "frozenRange",
			  p->is_range_frozen, "time", (json_int_t)time(NULL));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int rc = text ? file_replace_private(dir, name, text, strlen(text), e)
		      : error_errno(e, "memory");
	free(text);
	json_decref(root);
	return rc;
}

int profile_save(const struct profile *p, const char *host, struct error *e)
{
	char name[NAME_SIZE], lock_name[NAME_SIZE];
	int lock = -1;
	struct profile merged = *p, there;
	int rc = -1;
	int dir = state_open("hosts", e);
	if (dir < 0)
		return -1;
	state_host_file(host, ".json", name, sizeof name);
	state_host_file(host, ".lock", lock_name, sizeof lock_name);
	if (state_lock(dir, lock_name, -1, &lock, e))
		goto out;
	if (read_profile(&there, dir, name)) {
		merged.max_body = smaller(merged.max_body, there.max_body);
		merged.max_chunk = smaller(merged.max_chunk, there.max_chunk);
	}
	rc = write_profile(&merged, dir, name, e);
	close(lock);
out:
	close(dir);
	return rc;
}
