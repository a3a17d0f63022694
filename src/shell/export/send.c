/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the collector, and what it answers. */
#include "shell/export/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/units.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

#define LOOK_MS 200 /* how often it is seen that the end has come */

uint64_t export_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return SECONDS(now.tv_sec) + (uint64_t)now.tv_nsec / 1000;
}

int send_url(const char *endpoint, enum export_format format, char ret[URL_SIZE])
{
	static const char *const paths[] = {
		[EXPORT_OTLP] = "/v1/traces",
		[EXPORT_ZIPKIN] = "/api/v2/spans",
	};
	const char *host = NULL;
	const char *path;
	size_t len;
	int n;

	if (strncmp(endpoint, "http://", 7) == 0)
		host = endpoint + 7;
	else if (strncmp(endpoint, "https://", 8) == 0)
		host = endpoint + 8;
	if (!host || host[0] == '\0' || host[0] == '/')
		return -EINVAL;
	path = strchr(host, '/');
	len = path && path[1] == '\0' ? (size_t)(path - endpoint) : strlen(endpoint);
	n = snprintf(ret, URL_SIZE, "%.*s%s", (int)len, endpoint,
		     path && path[1] ? "" : paths[format]);
	return n < 0 || n >= URL_SIZE ? -EINVAL : 0;
}

/* Answers are not read; but short ones are taken, so that the connection can be used again. */
static size_t ignore(const char *at, size_t size, size_t n, void *arg)
{
	struct exporter *e = arg;

	(void)at;
	e->answer_len += size * n;
	return e->answer_len > EXPORT_ANSWER_MAX ? 0 : size * n; /* 0: CURLE_WRITE_ERROR */
}

int send_open(struct exporter *e, char why[EXPORT_WHY_SIZE])
{
	const struct curl_library *c = e->curl;
	const char *type = e->format == EXPORT_OTLP ? "Content-Type: application/x-protobuf"
						    : "Content-Type: application/json";
	struct curl_slist *second;

	(void)snprintf(why, EXPORT_WHY_SIZE, "out of memory");
	e->multi = c->curl_multi_init();
	e->easy = c->curl_easy_init();
	e->headers = c->curl_slist_append(NULL, type);
	second = e->headers ? c->curl_slist_append(e->headers, "Expect:") : NULL;
	if (!e->multi || !e->easy || !second)
		return -ENOMEM;
	(void)c->curl_easy_setopt(e->easy, CURLOPT_URL, e->url);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->headers);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_USERAGENT, "x0/" X0_VERSION);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_POST, 1L);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_WRITEFUNCTION, ignore);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_WRITEDATA, e);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_NOSIGNAL, 1L);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	(void)c->curl_easy_setopt(e->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)EXPORT_CONNECT_MS);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_TIMEOUT_MS, (long)EXPORT_ANSWER_MS);
	return 0;
}

void send_close(struct exporter *e)
{
	const struct curl_library *c = e->curl;

	if (e->easy)
		c->curl_easy_cleanup(e->easy);
	if (e->multi)
		(void)c->curl_multi_cleanup(e->multi);
	c->curl_slist_free_all(e->headers);
}

/* Waits for the answer; not beyond the end. */
static void run(struct exporter *e)
{
	const struct curl_library *c = e->curl;
	int running = 1;

	while (c->curl_multi_perform(e->multi, &running) == CURLM_OK && running > 0) {
		if (atomic_load(&e->is_stopping) && e->stop_us == NEVER_US)
			e->stop_us = export_now_us() + MS(EXPORT_LAST_MS);
		if (export_now_us() >= e->stop_us)
			return;
		(void)c->curl_multi_poll(e->multi, NULL, 0, LOOK_MS, NULL);
	}
}

static void read_outcome(struct exporter *e, struct outcome *ret)
{
	const struct curl_library *c = e->curl;
	const CURLMsg *m;
	curl_off_t after = 0;
	int left;

	while ((m = c->curl_multi_info_read(e->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		ret->why = c->curl_easy_strerror(m->data.result);
		ret->has_answer = m->data.result == CURLE_OK || m->data.result == CURLE_WRITE_ERROR;
	}
	if (!ret->has_answer)
		return;
	(void)c->curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &ret->status);
	if (c->curl_easy_getinfo(e->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		ret->retry_after_s = after < EXPORT_RETRY_AFTER_MAX_S ? (unsigned)after
								      : EXPORT_RETRY_AFTER_MAX_S;
}

void send_request(struct exporter *e, const void *body, size_t len, struct outcome *ret)
{
	const struct curl_library *c = e->curl;

	*ret = (struct outcome){ .why = "it took too long" };
	e->answer_len = 0;
	(void)c->curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, body);
	(void)c->curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	if (c->curl_multi_add_handle(e->multi, e->easy) != CURLM_OK)
		return;
	run(e);
	read_outcome(e, ret);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* At the end a name that is still being asked for is not waited for: the C library takes
	 * half a minute where name servers are silent. */
	if (atomic_load(&e->is_stopping))
		(void)c->curl_easy_setopt(e->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	(void)c->curl_multi_remove_handle(e->multi, e->easy);
}
