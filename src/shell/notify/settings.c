/* SPDX-License-Identifier: Apache-2.0 */
/* The ways that the configuration names, with their secrets from files. */
#include <stdio.h>

#include "shell/notify/notify.h"
#include "shell/secret/secret.h"

static int read_secret(const char *path, struct passphrase *ret, char why[FETCH_WHY_SIZE])
{
	char long_why[SECRET_WHY_SIZE];
	int r = path[0] ? passphrase_read(path, ret, long_why) : 0;

	if (r < 0)
		(void)snprintf(why, FETCH_WHY_SIZE, "%.*s", FETCH_WHY_SIZE - 1, long_why);
	return r;
}

static bool has_way(const struct config *c)
{
	return c->notify_webhook[0] || c->notify_mail_server[0] || c->notify_telegram_chat[0];
}

int notify_secrets_read(const struct config *c, struct notify_secrets *ret,
			char why[FETCH_WHY_SIZE])
{
	int r;

	if (!has_way(c))
		return 0;
	r = read_secret(c->notify_webhook_token_file, &ret->webhook, why);
	if (r == 0)
		r = read_secret(c->notify_mail_password_file, &ret->mail, why);
	if (r == 0)
		r = read_secret(c->notify_telegram_token_file, &ret->telegram, why);
	return r;
}

void notify_secrets_done(struct notify_secrets *s)
{
	passphrase_done(&s->webhook);
	passphrase_done(&s->mail);
	passphrase_done(&s->telegram);
}

int notify_configured(const struct config *c, const struct notify_options *base,
		      const struct notify_secrets *secrets, struct notify **ret,
		      char why[FETCH_WHY_SIZE])
{
	struct notify_options o = *base;

	*ret = NULL;
	if (!has_way(c))
		return 0;
	o.webhook_url = c->notify_webhook;
	o.webhook_bearer = secrets->webhook.at;
	o.mail_url = c->notify_mail_server;
	o.mail_is_plain = c->notify_mail_is_plain;
	o.mail_from = c->notify_mail_from;
	o.mail_to = c->notify_mail_to;
	o.mail_user = c->notify_mail_user;
	o.mail_password = secrets->mail.at;
	o.telegram_url = c->notify_telegram_api;
	o.telegram_chat = c->notify_telegram_chat;
	o.telegram_token = secrets->telegram.at;
	o.per_hour = (unsigned)c->notify_per_hour;
	return notify_new(&o, ret, why);
}
