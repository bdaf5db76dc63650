/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include "buffer.h"
#include "file.h"
#include "json.h"
#include "reference.h"
#include "state.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOSTS "hosts"
#define LOCK ".lock"

enum { FILE_MAX = 4096, LOCK_WAIT_MS = 2000 };

/* What need not be learnt the hard way. */
static const struct {
	const char *host; /* a pattern of fnmatch() */
	struct profile profile;
} known[] = {
	/* aws/containers-roadmap#2831 (Range), openai/tart#159 (an empty PUT is refused) */
	{"*.dkr.ecr.*.amazonaws.com", {.is_last_in_put = true, .is_range_frozen = true}},
	{"*.dkr.ecr.*.amazonaws.com.cn", {.is_last_in_put = true, .is_range_frozen = true}},
	/* dotnet/sdk-container-builds#472 */
	{"public.ecr.aws", {.is_one_body = true}},
	/* "Artifact Registry doesn't support chunked uploads", dotnet/sdk-container-builds#287 */
	{"gcr.io", {.is_one_body = true}},
	{"*.gcr.io", {.is_one_body = true}},
	{"*-docker.pkg.dev", {.is_one_body = true}},
};

bool profile_equal(const struct profile *a, const struct profile *b)
{
	return a->max_body == b->max_body && a->max_chunk == b->max_chunk &&
	       a->is_one_body == b->is_one_body && a->is_chunked == b->is_chunked &&
	       a->is_last_in_put == b->is_last_in_put && a->is_range_frozen == b->is_range_frozen;
}

static void load_known(struct profile *p, const char *host)
{
	*p = (struct profile){0};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (fnmatch(known[i].host, host, 0) == 0)
			*p = known[i].profile;
}

static void read_bytes(const json_t *root, const char *key, int64_t *bytes)
{
	int64_t value = json_size(root, key);
	if (value >= 0)
		*bytes = value;
}

static void read_flag(const json_t *root, const char *key, bool *flag)
{
	const json_t *value = json_object_get(root, key);
	if (json_is_boolean(value))
		*flag = json_is_true(value);
}

/* Changes in P what the file of a host says, and is not too old. *IS_LASTING: it has no time. */
static void read_file(int dir_fd, const char *name, struct profile *p, bool *is_lasting)
{
	struct buffer text;
	struct error ignored;
	json_t *root = NULL;
	buffer_init(&text, FILE_MAX);
	if (file_read(dir_fd, name, &text, &ignored) == 0)
		root = json_parse(name, text.data, text.len, &ignored);
	int64_t then = json_size(root, "time");
	*is_lasting = json_is_object(root) && !json_object_get(root, "time");
	if (*is_lasting || (then >= 0 && (int64_t)time(NULL) - then <= PROFILE_AGE_S)) {
		read_bytes(root, "maxBody", &p->max_body);
		read_bytes(root, "maxChunk", &p->max_chunk);
		read_flag(root, "oneBody", &p->is_one_body);
		read_flag(root, "chunked", &p->is_chunked);
		read_flag(root, "lastInPut", &p->is_last_in_put);
		read_flag(root, "frozenRange", &p->is_range_frozen);
	}
	json_decref(root);
	buffer_release(&text);
}

static void file_name(const char *host, char *name, size_t size)
{
	state_host_file(host, ".json", name, size);
}

void profile_load(struct profile *p, const char *host)
{
	char name[REFERENCE_NAME_MAX + 16];
	struct error ignored;
	bool is_lasting;
	load_known(p, host);
	int dir_fd = state_open(HOSTS, &ignored);
	if (dir_fd < 0)
		return;
	file_name(host, name, sizeof name);
	read_file(dir_fd, name, p, &is_lasting);
	close(dir_fd);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* Call with the lock held. The flags belong together: the newer ones stand. */
static int save(int dir_fd, const char *name, const struct profile *p, struct error *e)
{
	struct profile there = {0};
	bool is_lasting;
	read_file(dir_fd, name, &there, &is_lasting);
	json_t *root = json_pack("{s:I, s:I, s:b, s:b, s:b, s:b}", "maxBody",
				 (json_int_t)smaller(p->max_body, there.max_body), "maxChunk",
				 (json_int_t)smaller(p->max_chunk, there.max_chunk), "oneBody",
				 p->is_one_body, "chunked", p->is_chunked, "lastInPut",
				 p->is_last_in_put, "frozenRange", p->is_range_frozen);
	if (root && !is_lasting)
		(void)json_object_set_new(root, "time", json_integer((json_int_t)time(NULL)));
	char *text = root ? json_dumps(root, JSON_INDENT(8)) : NULL;
	int rc = text ? file_replace_private(dir_fd, name, text, strlen(text), e)
		      : error_errno(e, "memory");
	free(text);
	json_decref(root);
	return rc;
}

int profile_save(const struct profile *p, const char *host, struct error *e)
{
	char name[REFERENCE_NAME_MAX + 16];
	int lock_fd = -1;
	int dir_fd = state_open(HOSTS, e);
	if (dir_fd < 0)
		return -1;
	file_name(host, name, sizeof name);
	int rc = state_lock(dir_fd, LOCK, LOCK_WAIT_MS, &lock_fd, e);
	if (rc == 1)
		error_set(e, STATUS_FAILED,
			  HOSTS "/" LOCK ": another process does not give it back");
	if (rc == 0)
		rc = save(dir_fd, name, p, e);
	if (lock_fd >= 0)
		close(lock_fd);
	close(dir_fd);
	return rc ? -1 : 0;
}
