/* SPDX-License-Identifier: Apache-2.0 */
/* Services that the user names, asked again and again. */
#include "shell/host/services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/fetch/fetch.h"

struct service {
	char url[HOST_SERVICE_URL_SIZE];
	char asked[HOST_SERVICE_URL_SIZE + 8]; /* what libcurl takes for it */
	enum fetch_kind kind;
	bool is_asking;
	uint64_t asked_us, due_us;
	struct host_service view;
};

struct host_services {
	struct fetch *fetch;
	size_t n;
	struct service services[HOST_SERVICES_MAX];
};

static int fail(int r, char why[HOST_SERVICES_WHY_SIZE], const char *what, const char *about)
{
	(void)snprintf(why, HOST_SERVICES_WHY_SIZE, "%.100s: %.120s", about, what);
	return r;
}

/* HOST:PORT and nothing else; the host may be an IPv6 address in brackets. */
static bool is_host_port(const char *text)
{
	static const char of_host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";
	size_t n = text[0] == '[' ? 1 + strspn(text + 1, "0123456789abcdefABCDEF:.")
				  : strspn(text, of_host);
	char *end = NULL;
	unsigned long port;

	if (n < 1 || (text[0] == '[' && text[n++] != ']') || text[n] != ':' || text[n + 1] < '1' ||
	    text[n + 1] > '9')
		return false;
	port = strtoul(text + n + 1, &end, 10);
	return *end == '\0' && port <= UINT16_MAX;
}

static int set_url(struct service *to, const char *url, char why[HOST_SERVICES_WHY_SIZE])
{
	bool is_tcp = strncmp(url, "tcp://", 6) == 0 && is_host_port(url + 6);
	const char *host = strstr(url, "://");

	for (const char *c = url; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return fail(-EINVAL, why, "has a character that is none of a URL",
				    "a service");
	if (!is_tcp && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return fail(-EINVAL, why, "is no tcp://HOST:PORT, http:// or https://", url);
	if (host && memchr(host, '@', 3 + strcspn(host + 3, "/?#")))
		return fail(-EINVAL, why, "names a user, who would be seen in the log",
			    "a service");
	to->kind = is_tcp ? FETCH_CONNECT : FETCH_GET;
	(void)snprintf(to->url, sizeof(to->url), "%s", url);
	(void)snprintf(to->asked, sizeof(to->asked), "%s%s", is_tcp ? "http://" : "",
		       is_tcp ? url + 6 : url);
	to->view = (struct host_service){ .url = to->url, .why = "" };
	return 0;
}

static int add(struct host_services *s, const char *from, size_t len,
	       char why[HOST_SERVICES_WHY_SIZE])
{
	char url[HOST_SERVICE_URL_SIZE];
	int r;

	if (s->n == HOST_SERVICES_MAX)
		return fail(-ENOBUFS, why, "more than 16", "services");
	if (len >= sizeof(url))
		return fail(-EINVAL, why, "is too long", from);
	memcpy(url, from, len);
	url[len] = '\0';
	r = set_url(&s->services[s->n], url, why);
	s->n += r == 0;
	return r;
}

void host_services_free(struct host_services *s)
{
	if (!s)
		return;
	fetch_free(s->fetch);
	free(s);
}

DEFINE_FREEP(struct host_services, host_services_free)

int host_services_new(struct loop *l, const char *urls, struct host_services **ret,
		      char why[HOST_SERVICES_WHY_SIZE])
{
	CLEANUP(host_services_freep) struct host_services *s = calloc(1, sizeof(*s));
	char why_not[FETCH_WHY_SIZE];
	int r = 0;

	if (!s)
		return fail(-ENOMEM, why, "out of memory", "");
	for (const char *at = urls; r == 0 && *at;) {
		size_t len = strcspn(at, ",");

		r = add(s, at, len, why);
		at += len + (at[len] == ',');
	}
	if (r < 0)
		return r;
	r = fetch_new(l, &s->fetch, why_not);
	if (r < 0)
		return fail(r, why, why_not, "services");
	*ret = TAKE(s);
	return 0;
}

static void on_outcome(void *arg, const struct fetch_outcome *o)
{
	struct service *s = arg;
	bool is_up = s->kind == FETCH_CONNECT ? o->is_done : o->status >= 200 && o->status < 400;

	s->is_asking = false;
	s->view = (struct host_service){
		.url = s->url,
		.state = is_up ? HOST_SERVICE_UP : HOST_SERVICE_DOWN,
		.status = o->status,
		.took_us = o->took_us,
		.taken_us = s->asked_us,
		.why = is_up	   ? ""
		       : o->why	   ? o->why
		       : o->status ? "it answers with an error"
				   : "no answer",
	};
}

void host_services_tick(struct host_services *s, uint64_t now_us)
{
	for (size_t i = 0; i < s->n; i++) {
		struct service *one = &s->services[i];
		const struct fetch_request r = {
			.kind = one->kind,
			.url = one->asked,
			.connect_ms = HOST_SERVICE_ANSWER_MS,
			.total_ms = HOST_SERVICE_ANSWER_MS,
		};

		if (one->is_asking || now_us < one->due_us)
			continue;
		/* Where it cannot be asked now, what was said of it grows old. */
		one->is_asking = fetch_begin(s->fetch, &r, on_outcome, one) == 0;
		one->asked_us = now_us;
		one->due_us = now_us + MS(HOST_SERVICE_INTERVAL_MS);
	}
}

size_t host_services_count(const struct host_services *s)
{
	return s->n;
}

void host_services_get(const struct host_services *s, size_t i, struct host_service *ret)
{
	*ret = s->services[i].view;
}
