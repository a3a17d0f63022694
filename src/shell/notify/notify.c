/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of messages: how fast they may leave, when they are tried again, when they are given up.
 */
#include "shell/notify/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/units.h"
#include "shell/notify/format.h"

#define TOKEN_MAX 256 /* of a webhook, a password, or a bot */

/* What waits at one way, and how it fares. */
struct way {
	struct notify *notify;
	enum notify_way which;
	const char *name;
	bool is_on;
	struct note *waiting[NOTIFY_WAITING_MAX];
	size_t n;
	bool is_sending;  /* the first one */
	unsigned n_tries; /* of the first one */
	uint64_t next_us; /* not before */
	double tokens;
	uint64_t refilled_us;
	uint64_t n_held; /* since the last summary */
	enum notify_severity held_severity;
	char held_titles[NOTIFY_NAMED_MAX][NOTIFY_TITLE_SIZE];
	bool is_failing; /* told once, and once that it is over */
	struct notify_counters counters;
};

struct notify {
	struct fetch *fetch;
	struct loop_timer *timer;
	struct log *log;
	unsigned per_hour, retry_ms;
	struct rng rng;
	struct way ways[NOTIFY_N_WAYS];
	char *node, *mail_url, *mail_from, *mail_to, *mail_user, *chat, *ca_file;
	bool mail_is_plain;
	/* of secret_alloc() */
	char *webhook_url, *webhook_bearer, *mail_password, *telegram_url;
};

static const char *const way_names[NOTIFY_N_WAYS] = { "webhook", "mail", "telegram" };
static const char *const severity_names[NOTIFY_N_SEVERITIES] = { "info", "warning", "serious" };

const char *notify_way_name(enum notify_way way)
{
	return way_names[way];
}

const char *notify_severity_name(enum notify_severity severity)
{
	return severity_names[severity];
}

bool notify_has(const struct notify *n, enum notify_way way)
{
	return n->ways[way].is_on;
}

void notify_counters(const struct notify *n, enum notify_way way, struct notify_counters *ret)
{
	*ret = n->ways[way].counters;
	ret->waiting = n->ways[way].n;
}

/* ---- one try ---- */

static int begin_webhook(struct notify *n, const struct note *note, fetch_handler *handler,
			 void *arg)
{
	CLEANUP_FREE char *body = format_webhook(note, n->node);
	const struct fetch_request r = {
		.kind = FETCH_POST,
		.url = n->webhook_url,
		.content_type = "application/json",
		.bearer = n->webhook_bearer,
		.ca_file = n->ca_file,
		.body = SPAN(body, body ? strlen(body) : 0),
		.connect_ms = NOTIFY_CONNECT_MS,
		.total_ms = NOTIFY_ANSWER_MS,
	};

	return body ? fetch_begin(n->fetch, &r, handler, arg) : -ENOMEM;
}

static int begin_mail(struct notify *n, const struct note *note, fetch_handler *handler, void *arg)
{
	CLEANUP_FREE char *body = format_mail(note, n->node, n->mail_from, n->mail_to);
	const struct fetch_request r = {
		.kind = FETCH_MAIL,
		.url = n->mail_url,
		.mail_from = n->mail_from,
		.mail_to = n->mail_to,
		.user = n->mail_user,
		.password = n->mail_password,
		.needs_tls = !n->mail_is_plain,
		.ca_file = n->ca_file,
		.body = SPAN(body, body ? strlen(body) : 0),
		.connect_ms = NOTIFY_CONNECT_MS,
		.total_ms = NOTIFY_ANSWER_MS,
	};

	return body ? fetch_begin(n->fetch, &r, handler, arg) : -ENOMEM;
}

static int begin_telegram(struct notify *n, const struct note *note, fetch_handler *handler,
			  void *arg)
{
	CLEANUP_FREE char *body = format_telegram(note, n->node, n->chat);
	const struct fetch_request r = {
		.kind = FETCH_POST,
		.url = n->telegram_url,
		.content_type = "application/json",
		.ca_file = n->ca_file,
		.body = SPAN(body, body ? strlen(body) : 0),
		.connect_ms = NOTIFY_CONNECT_MS,
		.total_ms = NOTIFY_ANSWER_MS,
	};

	return body ? fetch_begin(n->fetch, &r, handler, arg) : -ENOMEM;
}

static int begin_try(struct way *w, fetch_handler *handler)
{
	switch (w->which) {
	case NOTIFY_WEBHOOK:
		return begin_webhook(w->notify, w->waiting[0], handler, w);
	case NOTIFY_MAIL:
		return begin_mail(w->notify, w->waiting[0], handler, w);
	case NOTIFY_TELEGRAM:
		return begin_telegram(w->notify, w->waiting[0], handler, w);
	case NOTIFY_N_WAYS:
		break;
	}
	return -EINVAL;
}

/* ---- what comes of it ---- */

enum verdict {
	TAKEN,
	REFUSED,
	AGAIN,
};

/* Of HTTP the status alone counts, and whatever comes after it. Of mail RFC 5321, 4.2.1: 4yz may
 * pass, 5yz will not; with another one the connection broke off. */
static enum verdict judge(enum notify_way which, const struct fetch_outcome *o)
{
	if (which == NOTIFY_MAIL)
		return o->is_done ? TAKEN : o->status >= 500 ? REFUSED : AGAIN;
	if (o->status >= 200 && o->status < 300)
		return TAKEN;
	if (o->status == 0 || o->status == 408 || o->status == 429 || o->status >= 500)
		return AGAIN;
	return REFUSED;
}

static void tell_failure(struct way *w, const struct fetch_outcome *o)
{
	char status[32] = "";

	if (w->is_failing)
		return;
	w->is_failing = true;
	(void)snprintf(status, sizeof(status), "it answers %u", o->status);
	log_warning(w->notify->log, "notices_not_sent", log_str("by", w->name),
		    log_str("why", o->status || !o->why ? status : o->why));
}

static void tell_success(struct way *w)
{
	if (!w->is_failing)
		return;
	w->is_failing = false;
	log_notice(w->notify->log, "notices_sent_again", log_str("by", w->name),
		   log_u64("lost", w->counters.refused + w->counters.given_up));
}

static void drop_first(struct way *w)
{
	free(w->waiting[0]);
	w->n--;
	for (size_t i = 0; i < w->n; i++)
		w->waiting[i] = w->waiting[i + 1];
	w->n_tries = 0;
}

static void wait_before_next(struct way *w, unsigned retry_after_s)
{
	uint64_t ms = w->notify->retry_ms;

	for (unsigned i = 1; i < w->n_tries && ms < NOTIFY_RETRY_MAX_MS; i++)
		ms *= 2;
	ms = rng_jitter(&w->notify->rng, min_u64(ms, NOTIFY_RETRY_MAX_MS), 50);
	w->next_us = loop_now_us() + max_u64(MS(ms), SECONDS(retry_after_s));
	w->counters.retries++;
}

static void proceed(struct notify *n, uint64_t now_us);

static void on_outcome(void *arg, const struct fetch_outcome *o)
{
	struct way *w = arg;

	w->is_sending = false;
	switch (judge(w->which, o)) {
	case TAKEN:
		w->counters.sent++;
		tell_success(w);
		drop_first(w);
		break;
	case REFUSED:
		w->counters.refused++;
		tell_failure(w, o);
		drop_first(w);
		break;
	case AGAIN:
		tell_failure(w, o);
		if (w->n_tries < NOTIFY_TRIES_MAX) {
			wait_before_next(w, o->retry_after_s);
			break;
		}
		w->counters.given_up++;
		drop_first(w);
		break;
	}
	proceed(w->notify, loop_now_us());
}

/* ---- how many may leave ---- */

static double us_per_token(const struct notify *n)
{
	return 3600e6 / n->per_hour;
}

/* The caller's time may be a little older than that of the last outcome. */
static void refill(struct way *w, uint64_t now_us)
{
	if (now_us <= w->refilled_us)
		return;
	w->tokens += (double)(now_us - w->refilled_us) / us_per_token(w->notify);
	w->refilled_us = now_us;
	if (w->tokens > NOTIFY_BURST)
		w->tokens = NOTIFY_BURST;
}

static bool may_add(const struct way *w)
{
	return w->n < NOTIFY_WAITING_MAX && w->tokens >= 1;
}

/* -ENOMEM: it is lost, and counts as held back. */
static int add(struct way *w, const struct note *note)
{
	struct note *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *note;
	w->waiting[w->n++] = copy;
	w->tokens -= 1;
	return 0;
}

static void hold_back(struct way *w, const struct note *note)
{
	if (w->n_held < NOTIFY_NAMED_MAX)
		memcpy(w->held_titles[w->n_held], note->title, NOTIFY_TITLE_SIZE);
	if (w->n_held == 0 || note->severity > w->held_severity)
		w->held_severity = note->severity;
	w->n_held++;
	w->counters.held_back++;
}

static void add_summary(struct way *w)
{
	struct note note = {
		.severity = w->held_severity,
		.number = rng_next(&w->notify->rng),
		.unix_ms = loop_unix_ms(),
	};
	size_t len = 0;

	(void)snprintf(note.title, sizeof(note.title), "%" PRIu64 " more were held back",
		       w->n_held);
	for (size_t i = 0; i < w->n_held && i < NOTIFY_NAMED_MAX; i++)
		len += (size_t)snprintf(note.text + len, sizeof(note.text) - len, "%s\n",
					w->held_titles[i]);
	if (w->n_held > NOTIFY_NAMED_MAX)
		(void)snprintf(note.text + len, sizeof(note.text) - len, "and %" PRIu64 " others",
			       w->n_held - NOTIFY_NAMED_MAX);
	if (add(w, &note) == 0)
		w->n_held = 0;
}

/* ---- when something is due ---- */

static uint64_t deadline_us(const struct way *w, uint64_t now_us)
{
	uint64_t at_us = NEVER_US;
	double missing = 1 - w->tokens;

	if (w->n > 0 && !w->is_sending)
		at_us = max_u64(w->next_us, now_us);
	if (w->n_held > 0 && w->n < NOTIFY_WAITING_MAX)
		at_us = min_u64(at_us, missing <= 0 ? now_us
						    : now_us + MS(1) +
							      (uint64_t)(missing *
									 us_per_token(w->notify)));
	return at_us;
}

static void proceed_way(struct way *w, uint64_t now_us)
{
	const struct fetch_outcome later = { .why = "too much is under way, or memory is short" };

	refill(w, now_us);
	if (w->n_held > 0 && may_add(w))
		add_summary(w);
	if (w->n == 0 || w->is_sending || now_us < w->next_us)
		return;
	w->n_tries++;
	w->is_sending = begin_try(w, on_outcome) == 0;
	if (!w->is_sending) {
		tell_failure(w, &later);
		wait_before_next(w, 0);
	}
}

static void proceed(struct notify *n, uint64_t now_us)
{
	uint64_t next_us = NEVER_US;

	for (unsigned i = 0; i < NOTIFY_N_WAYS; i++) {
		if (!n->ways[i].is_on)
			continue;
		proceed_way(&n->ways[i], now_us);
		next_us = min_u64(next_us, deadline_us(&n->ways[i], now_us));
	}
	loop_timer_arm(n->timer, next_us);
}

static void on_timer(void *arg, uint64_t now_us)
{
	proceed(arg, now_us);
}

int notify_send(struct notify *n, const struct notify_message *m, uint64_t now_us)
{
	struct note note;
	bool has_way = false;

	format_note(m, rng_next(&n->rng), &note);
	for (unsigned i = 0; i < NOTIFY_N_WAYS; i++) {
		struct way *w = &n->ways[i];

		if (!w->is_on)
			continue;
		has_way = true;
		refill(w, now_us);
		/* behind what was held back only its summary comes */
		if (w->n_held > 0 || !may_add(w) || add(w, &note) < 0)
			hold_back(w, &note);
	}
	proceed(n, now_us);
	return has_way ? 0 : -ENOENT;
}

/* ---- settings ---- */

static int fail(char why[FETCH_WHY_SIZE], const char *what)
{
	(void)snprintf(why, FETCH_WHY_SIZE, "%s", what);
	return -EINVAL;
}

static bool has(const char *text)
{
	return text && text[0];
}

/* Of visible ASCII alone, without blanks: what may stand in a line of a protocol. */
static bool is_visible(const char *text, size_t len_max)
{
	size_t len = strnlen(text, len_max + 1);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return len > 0 && len <= len_max;
}

static bool is_url(const char *text, const char *scheme, const char *other)
{
	return is_visible(text, FETCH_URL_MAX) && (strncmp(text, scheme, strlen(scheme)) == 0 ||
						   strncmp(text, other, strlen(other)) == 0);
}

/* Digits, a colon, letters, digits, - and _: it becomes a part of the URL. */
static bool is_bot_token(const char *text)
{
	static const char digits[] = "0123456789";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_-";
	size_t n = strspn(text, digits);

	return n > 0 && text[n] == ':' && text[n + 1] &&
	       text[n + 1 + strspn(text + n + 1, others)] == '\0' && strlen(text) <= TOKEN_MAX;
}

static int check_webhook(const struct notify_options *o, char why[FETCH_WHY_SIZE])
{
	if (!is_url(o->webhook_url, "https://", "http://"))
		return fail(why, "the webhook is no http:// or https:// URL");
	if (has(o->webhook_bearer) && !is_visible(o->webhook_bearer, TOKEN_MAX))
		return fail(why, "the webhook's token has more than 256 characters, or odd ones");
	return 0;
}

static int check_mail(const struct notify_options *o, char why[FETCH_WHY_SIZE])
{
	if (!is_url(o->mail_url, "smtps://", "smtp://"))
		return fail(why, "the mail server is no smtp:// or smtps:// URL");
	if (!has(o->mail_from) || !format_is_address(o->mail_from) || !has(o->mail_to) ||
	    !format_is_address(o->mail_to))
		return fail(why, "mail needs an address it is from and one it goes to");
	if (has(o->mail_user) != has(o->mail_password))
		return fail(why, "mail needs a user and a password, or neither");
	if (has(o->mail_password) && strlen(o->mail_password) > TOKEN_MAX)
		return fail(why, "the password for mail has more than 256 characters");
	if (has(o->mail_password) && o->mail_is_plain)
		return fail(why, "a password for mail is not sent without TLS");
	return 0;
}

static int check_telegram(const struct notify_options *o, char why[FETCH_WHY_SIZE])
{
	if (!has(o->telegram_token) || !is_bot_token(o->telegram_token))
		return fail(why, "the token of the Telegram bot is none: 123456:letters");
	/* "/bot" and "/sendMessage" go with it */
	if (!has(o->telegram_url) || !is_url(o->telegram_url, "https://", "http://") ||
	    strlen(o->telegram_url) + strlen(o->telegram_token) + 16 > FETCH_URL_MAX)
		return fail(why, "the address of Telegram's API is no https:// URL, or too long");
	if (!is_visible(o->telegram_chat, 64))
		return fail(why, "the chat for Telegram is none");
	return 0;
}

static int check(const struct notify_options *o, char why[FETCH_WHY_SIZE])
{
	int r = 0;

	if (o->per_hour == 0 || o->per_hour > 3600)
		return fail(why, "1 to 3,600 messages an hour are allowed");
	if (has(o->webhook_url))
		r = check_webhook(o, why);
	if (r == 0 && has(o->mail_url))
		r = check_mail(o, why);
	if (r == 0 && has(o->telegram_chat))
		r = check_telegram(o, why);
	return r;
}

static bool keep(const char *from, char **ret)
{
	*ret = has(from) ? strdup(from) : NULL;
	return !has(from) || *ret;
}

static bool keep_secret(const char *from, char **ret)
{
	size_t size = has(from) ? strlen(from) + 1 : 0;

	*ret = size ? secret_alloc(size) : NULL;
	if (*ret)
		memcpy(*ret, from, size);
	return !size || *ret;
}

static bool keep_telegram_url(struct notify *n, const struct notify_options *o)
{
	size_t size = FETCH_URL_MAX + 1;

	if (!has(o->telegram_chat))
		return true;
	n->telegram_url = secret_alloc(size);
	if (n->telegram_url)
		(void)snprintf(n->telegram_url, size, "%s/bot%s/sendMessage", o->telegram_url,
			       o->telegram_token);
	return n->telegram_url;
}

static bool keep_all(struct notify *n, const struct notify_options *o)
{
	n->mail_is_plain = o->mail_is_plain;
	return (n->node = strdup(o->node ? o->node : "")) && keep(o->mail_url, &n->mail_url) &&
	       keep(o->mail_from, &n->mail_from) && keep(o->mail_to, &n->mail_to) &&
	       keep(o->mail_user, &n->mail_user) && keep(o->telegram_chat, &n->chat) &&
	       keep(o->ca_file, &n->ca_file) && keep_secret(o->webhook_url, &n->webhook_url) &&
	       keep_secret(o->webhook_bearer, &n->webhook_bearer) &&
	       keep_secret(o->mail_password, &n->mail_password) && keep_telegram_url(n, o);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	fetch_free(n->fetch);
	if (n->timer)
		loop_timer_free(n->timer);
	for (unsigned i = 0; i < NOTIFY_N_WAYS; i++)
		for (size_t at = 0; at < n->ways[i].n; at++)
			free(n->ways[i].waiting[at]);
	free(n->node);
	free(n->mail_url);
	free(n->mail_from);
	free(n->mail_to);
	free(n->mail_user);
	free(n->chat);
	free(n->ca_file);
	secret_free(n->webhook_url);
	secret_free(n->webhook_bearer);
	secret_free(n->mail_password);
	secret_free(n->telegram_url);
	free(n);
}

DEFINE_FREEP(struct notify, notify_free)

int notify_new(const struct notify_options *o, struct notify **ret, char why[FETCH_WHY_SIZE])
{
	CLEANUP(notify_freep) struct notify *n = calloc(1, sizeof(*n));
	int r = check(o, why);

	if (r < 0)
		return r;
	(void)snprintf(why, FETCH_WHY_SIZE, "out of memory");
	if (!n || !keep_all(n, o))
		return -ENOMEM;
	n->log = o->log;
	n->per_hour = o->per_hour;
	n->retry_ms = o->retry_ms > 0 ? o->retry_ms : NOTIFY_RETRY_MS;
	rng_seed(&n->rng, o->seed);
	for (unsigned i = 0; i < NOTIFY_N_WAYS; i++)
		n->ways[i] = (struct way){
			.notify = n,
			.which = (enum notify_way)i,
			.name = way_names[i],
			.tokens = NOTIFY_BURST,
			.refilled_us = loop_now_us(),
		};
	n->ways[NOTIFY_WEBHOOK].is_on = n->webhook_url;
	n->ways[NOTIFY_MAIL].is_on = n->mail_url;
	n->ways[NOTIFY_TELEGRAM].is_on = n->telegram_url;
	r = loop_timer_new(o->loop, on_timer, n, &n->timer);
	if (r == 0)
		r = fetch_new(o->loop, &n->fetch, why);
	if (r < 0)
		return r;
	*ret = TAKE(n);
	return 0;
}
