/* SPDX-License-Identifier: Apache-2.0 */
/* pool: jobs that have nothing to do with one another, on several processors. */
#ifndef POOL_H
#define POOL_H

#include "error.h"

#include <stddef.h>

#define POOL_THREADS_MAX 16

/* Does job NUMBER. Returns 0, or -1 with an error. */
typedef int pool_job(void *context, size_t number, struct error *e);

/* Does the jobs 0 to COUNT - 1, begun in that order, on THREADS threads at most, the caller's included.
 * After a failure none is begun; the error is that of the failed job with the lowest number. */
int pool_run(int threads, size_t count, pool_job *job, void *context, struct error *e);

#endif
