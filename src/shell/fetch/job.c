/* SPDX-License-Identifier: Apache-2.0 */
/* One request in libcurl's terms, and what became of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "shell/fetch/internal.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

/* Not read; but short ones are taken, so that the connection can be used again. */
static size_t ignore(const char *at, size_t size, size_t n, void *arg)
{
	struct job *j = arg;

	(void)at;
	j->answer_len += size * n;
	return j->answer_len > FETCH_ANSWER_MAX ? 0 : size * n; /* 0: CURLE_WRITE_ERROR */
}

static size_t give_body(char *to, size_t size, size_t n, void *arg)
{
	struct job *j = arg;
	size_t len = j->body_len - j->body_sent;

	if (len > size * n)
		len = size * n;
	if (len > 0)
		memcpy(to, j->body + j->body_sent, len);
	j->body_sent += len;
	return len;
}

static int set_headers(const struct curl_library *c, struct job *j)
{
	char line[256];
	struct curl_slist *more;

	if (!j->content_type)
		return 0;
	(void)snprintf(line, sizeof(line), "Content-Type: %.200s", j->content_type);
	j->headers = c->curl_slist_append(NULL, line);
	more = j->headers ? c->curl_slist_append(j->headers, "Expect:") : NULL;
	return more ? 0 : -ENOMEM;
}

static int set_mail(const struct curl_library *c, struct job *j)
{
	j->to = c->curl_slist_append(NULL, j->mail_to);
	if (!j->to)
		return -ENOMEM;
	(void)c->curl_easy_setopt(j->easy, CURLOPT_MAIL_FROM, j->mail_from);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_MAIL_RCPT, j->to);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_UPLOAD, 1L);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_READFUNCTION, give_body);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_READDATA, j);
	if (j->user && j->password) {
		(void)c->curl_easy_setopt(j->easy, CURLOPT_USERNAME, j->user);
		(void)c->curl_easy_setopt(j->easy, CURLOPT_PASSWORD, j->password);
	}
	if (j->needs_tls)
		(void)c->curl_easy_setopt(j->easy, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	return 0;
}

/* Whether a service answers a new connection is the question, not whether an old one is left. */
static void set_fresh(const struct curl_library *c, struct job *j)
{
	(void)c->curl_easy_setopt(j->easy, CURLOPT_FRESH_CONNECT, 1L);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_FORBID_REUSE, 1L);
}

static int set_kind(const struct curl_library *c, struct job *j)
{
	switch (j->kind) {
	case FETCH_CONNECT:
		(void)c->curl_easy_setopt(j->easy, CURLOPT_CONNECT_ONLY, 1L);
		set_fresh(c, j);
		return 0;
	case FETCH_GET:
		(void)c->curl_easy_setopt(j->easy, CURLOPT_HTTPGET, 1L);
		set_fresh(c, j);
		return 0;
	case FETCH_POST:
		(void)c->curl_easy_setopt(j->easy, CURLOPT_POST, 1L);
		(void)c->curl_easy_setopt(j->easy, CURLOPT_POSTFIELDS, j->body);
		(void)c->curl_easy_setopt(j->easy, CURLOPT_POSTFIELDSIZE_LARGE,
					  (curl_off_t)j->body_len);
		return 0;
	case FETCH_MAIL:
		return set_mail(c, j);
	}
	return -EINVAL;
}

static void set_bearer(const struct curl_library *c, struct job *j)
{
	if (!j->bearer)
		return;
	(void)c->curl_easy_setopt(j->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_XOAUTH2_BEARER, j->bearer);
}

int job_prepare(const struct curl_library *c, struct job *j)
{
	int r;

	j->easy = c->curl_easy_init();
	if (!j->easy)
		return -ENOMEM;
	(void)c->curl_easy_setopt(j->easy, CURLOPT_URL, j->url);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_PRIVATE, j);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_USERAGENT, "x0/" X0_VERSION);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_WRITEFUNCTION, ignore);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_WRITEDATA, j);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_NOSIGNAL, 1L);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	(void)c->curl_easy_setopt(j->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)j->connect_ms);
	(void)c->curl_easy_setopt(j->easy, CURLOPT_TIMEOUT_MS, (long)j->total_ms);
	if (j->ca_file)
		(void)c->curl_easy_setopt(j->easy, CURLOPT_CAINFO, j->ca_file);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name that is still being asked for when time is up is not waited for: others would. */
	(void)c->curl_easy_setopt(j->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	set_bearer(c, j);
	r = set_kind(c, j);
	if (r == 0)
		r = set_headers(c, j);
	if (r == 0)
		(void)c->curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, j->headers);
	return r;
}

void job_read_outcome(const struct curl_library *c, struct job *j, CURLcode result)
{
	struct fetch_outcome *o = &j->outcome;
	curl_off_t after = 0;
	long status = 0;

	/* An answer that was too long was one all the same. */
	o->is_done = result == CURLE_OK ||
		     (result == CURLE_WRITE_ERROR && j->answer_len > FETCH_ANSWER_MAX);
	o->why = o->is_done ? NULL : c->curl_easy_strerror(result);
	if (c->curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	    status > 0 && status < 1000)
		o->status = (unsigned)status;
	if (c->curl_easy_getinfo(j->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		o->retry_after_s =
			after < FETCH_RETRY_AFTER_MAX_S ? (unsigned)after : FETCH_RETRY_AFTER_MAX_S;
}

void job_free(const struct curl_library *c, struct job *j)
{
	if (!j)
		return;
	if (j->easy)
		c->curl_easy_cleanup(j->easy);
	c->curl_slist_free_all(j->headers);
	c->curl_slist_free_all(j->to);
	heap_free_wiped(j->url); /* with the token of a Telegram bot */
	heap_free_wiped(j->bearer);
	heap_free_wiped(j->password);
	free(j->user);
	free(j->content_type);
	free(j->mail_from);
	free(j->mail_to);
	free(j->ca_file);
	free(j->body);
	free(j);
}
