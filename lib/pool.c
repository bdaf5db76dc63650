/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct pool {
	pool_job *job;
	void *context;
	pthread_mutex_t lock; /* protects what follows */
	size_t next, count;
	size_t failed; /* the number of the job whose error it is; COUNT for none */
	struct error error;
};

static void *work(void *argument)
{
	struct pool *p = argument;
	pthread_mutex_lock(&p->lock);
	while (p->next < p->count && p->failed == p->count) {
		struct error e = {0};
		size_t number = p->next++;
		pthread_mutex_unlock(&p->lock);
		int rc = p->job(p->context, number, &e);
		pthread_mutex_lock(&p->lock);
		if (rc && number < p->failed) {
			p->failed = number;
			p->error = e;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pool_run(int threads, size_t count, pool_job *job, void *context, struct error *e)
{
	struct pool p = {.job = job, .context = context, .count = count, .failed = count};
	pthread_t helpers[POOL_THREADS_MAX];
	size_t wanted = threads < POOL_THREADS_MAX ? (size_t)threads : POOL_THREADS_MAX, started = 0;
	sigset_t all, before;
	if (pthread_mutex_init(&p.lock, NULL))
		abort();
	/* Signals are for the caller's thread. Fewer threads than wanted are enough. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (started + 1 < wanted && started + 1 < count &&
	       pthread_create(&helpers[started], NULL, work, &p) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&p);
	while (started)
		pthread_join(helpers[--started], NULL);
	pthread_mutex_destroy(&p.lock);
	if (p.failed == count)
		return 0;
	*e = p.error;
	return -1;
}
