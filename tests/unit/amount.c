/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, rates and times as people read them, and text by its columns. */
#include "amount.h"
#include "check.h"
#include "columns.h"

#include <locale.h>
#include <stdint.h>
#include <string.h>

static int is(const char *found, const char *expected)
{
	if (strcmp(found, expected) == 0)
		return 1;
	fprintf(stderr, "'%s', not '%s'\n", found, expected);
	return 0;
}

static void test_amounts(void)
{
	char text[AMOUNT_SIZE];
	CHECK(is(amount_of_bytes(0, text), "0 B"));
	CHECK(is(amount_of_bytes(999, text), "999 B"));
	CHECK(is(amount_of_bytes(1000, text), "1.0 kB"));
	CHECK(is(amount_of_bytes(999949, text), "999.9 kB"));
	CHECK(is(amount_of_bytes(999950, text), "1.0 MB"));
	CHECK(is(amount_of_bytes(INT64_MAX, text), "9223372036.9 GB"));
	CHECK(is(amount_of_rate(12345678, text), "12.3 MB/s"));
	CHECK(is(amount_taken(0, text), "0.0s"));
	CHECK(is(amount_taken(59949, text), "59.9s"));
	CHECK(is(amount_taken(60000, text), "1m00s"));
	CHECK(is(amount_left(0, text), "0s"));
	CHECK(is(amount_left(65, text), "1m05s"));
	CHECK(is(amount_left(3599, text), "59m59s"));
	CHECK(is(amount_left(3600 + 180, text), "1h03m"));
	CHECK(is(amount_left(86400 * 3 + 3600 * 4, text), "3d04h"));
	CHECK(is(amount_left(INT64_MAX, text), "> 99d"));
}

static void test_columns(void)
{
	char to[64];
	CHECK(columns_cut(to, sizeof to, "abc", 5) == 3 && is(to, "abc"));
	CHECK(columns_cut(to, sizeof to, "abc", 2) == 2 && is(to, "ab"));
	CHECK(columns_cut(to, sizeof to, "abc", 0) == 0 && is(to, ""));
	CHECK(columns_cut(to, 3, "abc", 5) == 2 && is(to, "ab"));
	CHECK(columns_cut(to, sizeof to, "a\033\177", 5) == 3 && is(to, "a??"));
	/* A wide character is not cut in half, and a combining one takes no column. */
	CHECK(columns_cut(to, sizeof to, "\xe4\xb8\x80\xe4\xba\x8c", 3) == 2 &&
	      is(to, "\xe4\xb8\x80"));
	CHECK(columns_cut(to, sizeof to, "e\xcc\x81x", 1) == 1 && is(to, "e\xcc\x81"));
	/* Bytes that are no UTF-8, and a character that ends too early. */
	CHECK(columns_cut(to, sizeof to, "\xff\x80z\xe4\xb8", 9) == 3 && is(to, "?z?"));
}

int main(void)
{
	test_amounts();
	if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "en_US.UTF-8")) {
		fprintf(stderr, "no UTF-8 locale here\n");
		return 1;
	}
	test_columns();
	return failures != 0;
}
