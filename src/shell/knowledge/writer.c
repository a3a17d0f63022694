/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents on their way from the loop to the disk: one piece of work at a time, so that what is
 * put later is written later. */
#include <errno.h>
#include <stdlib.h>

#include "shell/knowledge/internal.h"
#include "shell/loop/loop.h"

struct knowledge_writer {
	struct loop *loop;
	struct knowledge *knowledge;
	knowledge_writer_handler *handler;
	void *arg;
	struct knowledge_incident *waiting[KNOWLEDGE_WAITING_MAX];
	size_t n;
	bool is_ended;
	int told; /* the error that the handler knows of */
	/* the work's while there is one */
	struct knowledge_incident *writing;
	int result;
};

static void work(void *arg)
{
	struct knowledge_writer *w = arg;

	w->result = knowledge_put_incident(w->knowledge, w->writing);
}

static void begin(struct knowledge_writer *w);

static void release(struct knowledge_writer *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->waiting[i]);
	free(w->writing);
	free(w);
}

static void tell(struct knowledge_writer *w, int error)
{
	if (error == w->told)
		return;
	w->told = error;
	if (!w->is_ended)
		w->handler(w->arg, error);
}

static void done(void *arg)
{
	struct knowledge_writer *w = arg;

	free(TAKE(w->writing));
	tell(w, w->result);
	begin(w);
	if (w->is_ended && !w->writing)
		release(w);
}

/* Where the work queue is full what waits goes with the next one that is put. */
static void begin(struct knowledge_writer *w)
{
	int r;

	if (w->n == 0 || w->writing)
		return;
	w->writing = w->waiting[0];
	r = loop_work(w->loop, work, done, w);
	if (r < 0) {
		w->writing = NULL;
		tell(w, r);
		return;
	}
	w->n--;
	for (size_t i = 0; i < w->n; i++)
		w->waiting[i] = w->waiting[i + 1];
}

int knowledge_writer_new(struct loop *l, struct knowledge *k, knowledge_writer_handler *handler,
			 void *arg, struct knowledge_writer **ret)
{
	struct knowledge_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = l;
	w->knowledge = k;
	w->handler = handler;
	w->arg = arg;
	*ret = w;
	return 0;
}

void knowledge_writer_free(struct knowledge_writer *w)
{
	if (!w)
		return;
	w->is_ended = true;
	begin(w);
	if (!w->writing)
		release(w);
}

int knowledge_writer_put(struct knowledge_writer *w, const struct knowledge_incident *i)
{
	size_t at = 0;

	while (at < w->n && w->waiting[at]->id != i->id)
		at++;
	if (at == KNOWLEDGE_WAITING_MAX) {
		begin(w);
		return -ENOBUFS;
	}
	if (at == w->n) {
		w->waiting[at] = malloc(sizeof(*i));
		if (!w->waiting[at])
			return -ENOMEM;
		w->n++;
	}
	*w->waiting[at] = *i;
	begin(w);
	return 0;
}
