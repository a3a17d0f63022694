/* SPDX-License-Identifier: Apache-2.0 */
/* What burns processor time in handshakes, on the loop's work queue: the loop goes on reading
 * datagrams while other threads sign and verify. */
#include <sched.h>
#include <stdlib.h>

#include "daemon/daemon_internal.h"

/* Fewer than the threads of the work queue, of which name look-ups may hold half. */
#define WORKERS_MAX 2

struct work {
	struct daemon *daemon;
	struct hs_job *job;
	struct member *member; /* whose key the job may read */
};

/* One processor is left to the loop, where there is more than one. */
unsigned jobs_workers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > WORKERS_MAX ? WORKERS_MAX : n > 1 ? (unsigned)n - 1 : 1;
}

static void release(struct member *m)
{
	if (--m->n_jobs == 0 && m->is_retired)
		member_free(m);
}

void jobs_retire(struct member *m)
{
	m->is_retired = true;
	if (m->n_jobs == 0)
		member_free(m);
}

static void on_work(void *arg)
{
	hs_job_run(((struct work *)arg)->job);
}

static void give_back(struct daemon *d, struct hs_job *job)
{
	if (d->is_stopping)
		hs_job_free(job); /* the node has said goodbye: nobody waits for it */
	else
		node_job_done(d->node, job, loop_now_us());
}

static void on_work_done(void *arg)
{
	struct work *w = arg;
	struct daemon *d = w->daemon;

	give_back(d, w->job);
	release(w->member);
	free(w);
	if (!d->is_stopping)
		daemon_drain(d);
}

static bool begin(struct daemon *d, struct hs_job *job)
{
	struct work *w = malloc(sizeof(*w));

	if (!w)
		return false;
	*w = (struct work){ .daemon = d, .job = job, .member = d->member };
	if (loop_work(d->loop, on_work, on_work_done, w) < 0) {
		free(w);
		return false;
	}
	d->member->n_jobs++;
	return true;
}

void jobs_begin(struct daemon *d)
{
	struct hs_job *job;

	if (d->owes_epoch)
		return; /* they write it into messages */
	while (!d->is_stopping && (job = node_next_job(d->node)))
		if (!begin(d, job))
			give_back(d, job); /* not run: its handshake ends, and is made again */
}
