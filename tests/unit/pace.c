/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "pace.h"
#include "stall.h"

#include <stdlib.h>

static void test_parse(void)
{
	static const struct {
		const char *text;
		int64_t rate; /* -1: none */
	} cases[] = {
		{"0", 0},	 {"1", 1},	  {"100", 100},	   {"1k", 1024},    {"1K", 1024},
		{"2M", 2 << 20}, {"2m", 2 << 20}, {"1G", 1 << 30}, {"1g", 1 << 30}, {"", -1},
		{"k", -1},	 {"-1", -1},	  {"1.5M", -1},	   {"1T", -1},	    {"1kk", -1},
		{" 1", -1},	 {"1 ", -1},	  {"1kB", -1},	   {"9999999999999999G", -1},
		{"99999999999999999999", -1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error e = {0};
		int64_t rate = -1;
		int rc = pace_parse("--rate", cases[i].text, &rate, &e);
		CHECK(rate == cases[i].rate);
		CHECK(rc == (cases[i].rate < 0 ? -1 : 0));
		CHECK((e.status == STATUS_USAGE) == (cases[i].rate < 0));
	}
}

static void test_take(void)
{
	struct error e = {0};
	struct pace p;
	bool has_waited = false;
	unsetenv("COG_RUN_DIR");
	unsetenv(PACE_ENV);
	CHECK(pace_init(&p, &e) == 0);
	CHECK(pace_take(&p, 1 << 20, &has_waited) == 1 << 20 && !has_waited);
	setenv(PACE_ENV, "2000", 1);
	CHECK(pace_init(&p, &e) == 0);
	/* In grants of a twentieth of a second, never more than is asked for. */
	CHECK(pace_take(&p, 1 << 20, &has_waited) == 100);
	CHECK(pace_take(&p, 60, &has_waited) == 60);
	CHECK(pace_take(&p, 60, &has_waited) == 40);
	for (int i = 0; i < 1000 && !has_waited; i++)
		CHECK(pace_take(&p, 100, &has_waited) == 100);
	CHECK(has_waited);
	/* As little as a byte a second. */
	setenv(PACE_ENV, "1", 1);
	CHECK(pace_init(&p, &e) == 0);
	CHECK(pace_take(&p, 10, &has_waited) == 1);
	setenv(PACE_ENV, "x", 1);
	CHECK(pace_init(&p, &e) == -1 && e.status == STATUS_USAGE);
}

static void test_stall(void)
{
	struct stall s = {.mark_ms = 1000};
	/* 30 KiB in 30 s are needed. */
	CHECK(stall_note(&s, 2000, 100000, 20000, true, 30000) == 1000);
	CHECK(stall_note(&s, 3000, 100000, 30720, true, 30000) == 0);
	CHECK(stall_note(&s, 33001, 100000, 31000, true, 30000) == 30001);
	/* Once all was sent, any byte counts. */
	CHECK(stall_note(&s, 34000, 100000, 31000, false, 30000) == 0);
	CHECK(stall_note(&s, 35000, 100000, 31000, false, 30000) == 1000);
	CHECK(stall_note(&s, 36000, 100000, 31001, false, 30000) == 0);
	/* Where we are slow, half of what was sent is enough; where the peer is, not. */
	s = (struct stall){.has_waited = true};
	CHECK(stall_note(&s, 1000, 100, 49, true, 30000) == 1000);
	CHECK(stall_note(&s, 2000, 100, 50, true, 30000) == 0);
	CHECK(!s.has_waited);
	s.has_waited = true;
	CHECK(stall_note(&s, 40000, 100000, 10000, true, 30000) == 38000);
}

int main(void)
{
	test_parse();
	test_take();
	test_stall();
	return failures != 0;
}
