/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that runs requests, and the way there and back. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "shell/fetch/internal.h"

#define LOOK_MS \
	1000 /* it is woken for what is new; this is only so that it never sleeps for good */

struct list {
	struct job *first, **end;
};

struct fetch {
	const struct curl_library *curl;
	struct loop_wake *wake;
	size_t n; /* of the loop: begun, and not handed back */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopping;
	CURLM *multi;
	struct list running;  /* of the thread */
	pthread_mutex_t lock; /* of the two lists below, held to move them */
	struct list begun, ended;
};

static void list_add(struct list *l, struct job *j)
{
	if (!l->first)
		l->end = &l->first;
	j->next = NULL;
	*l->end = j;
	l->end = &j->next;
}

static void list_remove(struct list *l, struct job *j)
{
	struct job **at = &l->first;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	if (l->end == &j->next)
		l->end = at;
}

static struct job *list_take_all(struct fetch *f, struct list *l)
{
	struct job *first;

	(void)pthread_mutex_lock(&f->lock);
	first = TAKE(l->first);
	(void)pthread_mutex_unlock(&f->lock);
	return first;
}

/* ---- the thread ---- */

static void hand_back(struct fetch *f, struct job *j)
{
	j->outcome.took_us = loop_now_us() - j->began_us;
	(void)pthread_mutex_lock(&f->lock);
	list_add(&f->ended, j);
	(void)pthread_mutex_unlock(&f->lock);
	loop_wake_send(f->wake);
}

static void start(struct fetch *f, struct job *j)
{
	if (job_prepare(f->curl, j) == 0 &&
	    f->curl->curl_multi_add_handle(f->multi, j->easy) == CURLM_OK) {
		list_add(&f->running, j);
		return;
	}
	j->outcome.why = "out of memory";
	hand_back(f, j);
}

static void start_new(struct fetch *f)
{
	struct job *next;

	for (struct job *j = list_take_all(f, &f->begun); j; j = next) {
		next = j->next;
		start(f, j);
	}
}

static void finish_done(struct fetch *f)
{
	const CURLMsg *m;
	int left;

	while ((m = f->curl->curl_multi_info_read(f->multi, &left))) {
		CURLcode result = m->data.result;
		struct job *j = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)f->curl->curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&j);
		job_read_outcome(f->curl, j, result);
		(void)f->curl->curl_multi_remove_handle(f->multi, j->easy);
		list_remove(&f->running, j);
		hand_back(f, j);
	}
}

static void *run(void *arg)
{
	struct fetch *f = arg;
	int n_running;

	(void)prctl(PR_SET_NAME, "x0-fetch", 0, 0, 0);
	while (!atomic_load(&f->is_stopping)) {
		start_new(f);
		(void)f->curl->curl_multi_perform(f->multi, &n_running);
		finish_done(f);
		(void)f->curl->curl_multi_poll(f->multi, NULL, 0, LOOK_MS, NULL);
	}
	return NULL;
}

/* Signals are the main loop's to take. */
static int start_thread(struct fetch *f)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&f->thread, NULL, run, f);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	f->has_thread = r == 0;
	return -r;
}

/* ---- the loop ---- */

static void free_all(struct fetch *f, struct job *j)
{
	while (j) {
		struct job *next = j->next;

		job_free(f->curl, j);
		j = next;
	}
}

static void on_wake(void *arg)
{
	struct fetch *f = arg;
	struct job *next;

	for (struct job *j = list_take_all(f, &f->ended); j; j = next) {
		next = j->next;
		f->n--;
		j->handler(j->arg, &j->outcome);
		job_free(f->curl, j);
	}
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	if (f->has_thread) {
		atomic_store(&f->is_stopping, true);
		(void)f->curl->curl_multi_wakeup(f->multi);
		(void)pthread_join(f->thread, NULL);
	}
	for (struct job *j = f->running.first; j; j = j->next)
		(void)f->curl->curl_multi_remove_handle(f->multi, j->easy);
	free_all(f, f->running.first);
	free_all(f, f->begun.first);
	free_all(f, f->ended.first);
	if (f->multi)
		(void)f->curl->curl_multi_cleanup(f->multi);
	if (f->wake)
		loop_wake_free(f->wake);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

DEFINE_FREEP(struct fetch, fetch_free)

int fetch_new(struct loop *l, struct fetch **ret, char why[FETCH_WHY_SIZE])
{
	CLEANUP(fetch_freep) struct fetch *f = calloc(1, sizeof(*f));
	int r;

	(void)snprintf(why, FETCH_WHY_SIZE, "out of memory");
	if (!f)
		return -ENOMEM;
	(void)pthread_mutex_init(&f->lock, NULL);
	f->curl = curl_library_load(why, FETCH_WHY_SIZE);
	if (!f->curl)
		return -ENOENT;
	f->multi = f->curl->curl_multi_init();
	if (!f->multi)
		return -ENOMEM;
	r = loop_wake_new(l, on_wake, f, &f->wake);
	if (r == 0)
		r = start_thread(f);
	if (r < 0)
		return r;
	*ret = TAKE(f);
	return 0;
}

static bool is_taken(const struct fetch_request *r)
{
	const char *url = r->url;

	if (strlen(url) > FETCH_URL_MAX)
		return false;
	if (r->kind == FETCH_MAIL)
		return strncmp(url, "smtp://", 7) == 0 || strncmp(url, "smtps://", 8) == 0;
	return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

static bool copy_text(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return !from || *ret;
}

static bool copy(struct job *j, const struct fetch_request *r)
{
	j->body = malloc(r->body.len + 1); /* one more: never a NULL for none */
	if (j->body && r->body.len > 0)
		memcpy(j->body, r->body.at, r->body.len);
	j->body_len = r->body.len;
	return j->body && copy_text(r->url, &j->url) &&
	       copy_text(r->content_type, &j->content_type) && copy_text(r->bearer, &j->bearer) &&
	       copy_text(r->mail_from, &j->mail_from) && copy_text(r->mail_to, &j->mail_to) &&
	       copy_text(r->user, &j->user) && copy_text(r->password, &j->password) &&
	       copy_text(r->ca_file, &j->ca_file);
}

int fetch_begin(struct fetch *f, const struct fetch_request *r, fetch_handler *handler, void *arg)
{
	struct job *j;

	if (!is_taken(r))
		return -EINVAL;
	if (f->n == FETCH_AT_ONCE_MAX)
		return -ENOBUFS;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->kind = r->kind;
	j->handler = handler;
	j->arg = arg;
	j->needs_tls = r->needs_tls;
	j->connect_ms = r->connect_ms;
	j->total_ms = r->total_ms;
	j->began_us = loop_now_us();
	if (!copy(j, r)) {
		job_free(f->curl, j);
		return -ENOMEM;
	}
	f->n++;
	(void)pthread_mutex_lock(&f->lock);
	list_add(&f->begun, j);
	(void)pthread_mutex_unlock(&f->lock);
	(void)f->curl->curl_multi_wakeup(f->multi);
	return 0;
}
