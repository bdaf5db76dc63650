/* SPDX-License-Identifier: Apache-2.0 */
/* columns: text by the columns that it takes on a terminal, which are neither its bytes nor its
 * characters. Text is UTF-8. Call setlocale(LC_CTYPE, "") first: where the locale is not UTF-8,
 * what is not ASCII is shown as '?'. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stddef.h>

/* Copies what of TEXT fits into COLUMNS columns and SIZE bytes, NUL included; what can't be shown
 * becomes '?'. Returns how many columns that takes. */
size_t columns_cut(char *to, size_t size, const char *text, size_t columns);

#endif
