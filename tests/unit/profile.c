/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about a host: built in, learnt, edited by hand; for how long. */
#include "check.h"
#include "profile.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[256];

static void expect(const char *host, const struct profile *expected)
{
	struct profile p;
	profile_load(&p, host);
	if (profile_equal(&p, expected))
		return;
	fprintf(stderr, "%s: %lld %lld %d %d %d %d\n", host, (long long)p.max_body,
		(long long)p.max_chunk, p.is_one_body, p.is_chunked, p.is_last_in_put,
		p.is_range_frozen);
	failures++;
}

static void write_file(const char *name, const char *text)
{
	char path[500];
	snprintf(path, sizeof path, "%s/hosts/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static bool exists(const char *name)
{
	char path[500];
	struct stat st;
	snprintf(path, sizeof path, "%s/hosts/%s", dir, name);
	return stat(path, &st) == 0;
}

static void test_known(void)
{
	static const struct {
		const char *host;
		struct profile profile;
	} hosts[] = {
		{"1.dkr.ecr.eu-west-1.amazonaws.com",
		 {.is_last_in_put = true, .is_range_frozen = true}},
		{"1.dkr.ecr.cn-north-1.amazonaws.com.cn",
		 {.is_last_in_put = true, .is_range_frozen = true}},
		{"public.ecr.aws", {.is_one_body = true}},
		{"gcr.io", {.is_one_body = true}},
		{"eu.gcr.io", {.is_one_body = true}},
		{"europe-docker.pkg.dev", {.is_one_body = true}},
		{"notgcr.io", {.is_one_body = false}},
		{"gcr.io.example", {.is_one_body = false}},
		{"docker.pkg.dev", {.is_one_body = false}},
		{"localhost:5000", {.is_one_body = false}},
	};
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
		expect(hosts[i].host, &hosts[i].profile);
}

static void test_merge(void)
{
	static const struct profile first = {.max_body = 100, .is_one_body = true},
				    second = {.max_body = 50, .max_chunk = 7},
				    third = {.max_body = 80,
					     .is_chunked = true,
					     .is_last_in_put = true,
					     .is_range_frozen = true};
	struct profile all = third;
	struct error e = {0};
	all.max_body = 50;
	all.max_chunk = 7;
	CHECK(profile_save(&first, "r.example:5000", &e) == 0);
	expect("r.example:5000", &first);
	CHECK(profile_save(&second, "r.example:5000", &e) == 0);
	CHECK(profile_save(&third, "R.example:5000", &e) == 0);
	expect("r.example:5000", &all);
	expect("r.example", &(struct profile){0});
	CHECK(exists("r.example_5000.json"));
	CHECK(profile_save(&first, "[::1]:5000", &e) == 0);
	expect("[::1]:5000", &first);
	CHECK(exists("___1__5000.json"));
}

static void test_age(void)
{
	static const struct profile learnt = {.max_body = 30};
	char text[200];
	struct error e = {0};
	long now = (long)time(NULL);
	snprintf(text, sizeof text, "{\"maxBody\":10,\"time\":%ld}", now - PROFILE_AGE_S + 60);
	write_file("age.example.json", text);
	expect("age.example", &(struct profile){.max_body = 10});
	snprintf(text, sizeof text, "{\"maxBody\":10,\"time\":%ld}", now - PROFILE_AGE_S - 60);
	write_file("age.example.json", text);
	expect("age.example", &(struct profile){0});
	CHECK(profile_save(&learnt, "age.example", &e) == 0);
	expect("age.example", &learnt);
}

static void test_edited(void)
{
	static const struct profile learnt = {.max_chunk = 30};
	static const char *const broken[] = {"",
					     "{",
					     "[]",
					     "3",
					     "{\"maxBody\":\"1\"}",
					     "{\"maxBody\":-1}",
					     "{\"maxBody\":1,\"time\":\"now\"}",
					     "{\"oneBody\":1}"};
	struct error e = {0};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		write_file("edited.example.json", broken[i]);
		expect("edited.example", &(struct profile){0});
	}
	/* What it does not say stays as it is known. */
	write_file("eu.gcr.io.json", "{\"maxBody\":10}");
	expect("eu.gcr.io", &(struct profile){.max_body = 10, .is_one_body = true});
	write_file("eu.gcr.io.json", "{\"oneBody\":false}");
	expect("eu.gcr.io", &(struct profile){0});
	/* Without a time it is kept for good, whatever is learnt. */
	write_file("edited.example.json", "{\"maxBody\":10}");
	CHECK(profile_save(&learnt, "edited.example", &e) == 0);
	expect("edited.example", &(struct profile){.max_body = 10, .max_chunk = 30});
	char path[500], text[300] = "";
	snprintf(path, sizeof path, "%s/hosts/edited.example.json", dir);
	FILE *f = fopen(path, "r");
	CHECK(f && fread(text, 1, sizeof text - 1, f) > 0 && strstr(text, "maxBody"));
	CHECK(!strstr(text, "time"));
	if (f)
		fclose(f);
}

/* Many learn at once: no limit is lost. */
static void test_together(void)
{
	struct error e = {0};
	for (int i = 0; i < 8; i++) {
		struct profile p = {.max_body = 1000 + i, .max_chunk = i == 3 ? 9 : 0};
		if (fork() == 0)
			_exit(profile_save(&p, "many.example", &e) != 0);
	}
	int status;
	while (wait(&status) > 0)
		CHECK(status == 0);
	expect("many.example", &(struct profile){.max_body = 1000, .max_chunk = 9});
}

static void test_unusable(void)
{
	struct error e = {0};
	struct profile p = {.max_body = 1};
	setenv(STATE_DIR_ENV, "/dev/null", 1);
	expect("gcr.io", &(struct profile){.is_one_body = true});
	CHECK(profile_save(&p, "gcr.io", &e) == -1 && strstr(e.text, "/dev/null"));
}

int main(void)
{
	char command[300];
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/profile.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || setenv(STATE_DIR_ENV, dir, 1))
		abort();
	test_known();
	test_merge();
	test_age();
	test_edited();
	test_together();
	test_unusable();
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return failures || system(command) ? 1 : 0;
}
