/* SPDX-License-Identifier: Apache-2.0 */
/* Invitations as text: x0://join/<domain>?e=<host:port,...>&ca=<..>&k=<..>&t=<..>. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "core/identity/identity.h"

#define PREFIX "x0://join/"
#define ENDPOINT_SIZE sizeof(((struct invite *)NULL)->endpoints[0])
#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */
#define TOKEN_LEN (TOKEN_ID_LEN + TOKEN_SECRET_LEN)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter_or_digit(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool label_is_valid(const char *label, size_t len)
{
	if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter_or_digit(label[i]) && label[i] != '-')
			return false;
	return true;
}

/* A host name (RFC 1123 section 2.1). Its last label begins with a letter: what ends in a
 * number is meant as an address and must be one. */
static bool host_name_is_valid(const char *host, size_t len)
{
	const char *end = host + len;

	for (;;) {
		const char *dot = memchr(host, '.', (size_t)(end - host));

		if (!label_is_valid(host, (size_t)((dot ? dot : end) - host)))
			return false;
		if (!dot)
			return !is_digit(*host);
		host = dot + 1;
	}
}

static bool port_is_valid(const char *text)
{
	unsigned port = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || text[0] == '0')
		return false;
	for (; *text; text++) {
		if (!is_digit(*text))
			return false;
		port = port * 10 + (unsigned)(*text - '0');
	}
	return port <= UINT16_MAX;
}

bool invite_endpoint_is_valid(const char *text)
{
	const char *colon = strrchr(text, ':');
	struct endpoint numeric;

	if (strlen(text) >= ENDPOINT_SIZE || !colon || !port_is_valid(colon + 1))
		return false;
	if (strchr(text, '%'))
		return false; /* a scope means something on one machine only */
	if (text[0] != '[' && strchr(text, ':') != colon)
		return false; /* IPv6 without brackets: which colon is the port's? */
	if (endpoint_parse(text, 0, &numeric) == 0)
		return text[0] != '[' || !endpoint_is_ipv4(&numeric);
	return host_name_is_valid(text, (size_t)(colon - text));
}

static void write_text(struct writer *w, const char *text)
{
	write_bytes(w, (const uint8_t *)text, strlen(text));
}

static void write_base64url(struct writer *w, const char *key, const uint8_t *from, size_t len)
{
	char text[64];

	(void)bytes_to_base64url(SPAN(from, len), text, sizeof(text)); /* 43 characters at most */
	write_text(w, key);
	write_text(w, text);
	bytes_wipe(text, sizeof(text));
}

int invite_format(const struct invite *i, char *ret, size_t ret_size)
{
	struct writer w = writer_of((uint8_t *)ret, ret_size);
	uint8_t token[TOKEN_LEN];

	if (!domain_is_valid(i->domain) || i->n_endpoints == 0 ||
	    i->n_endpoints > INVITE_ENDPOINTS_MAX)
		return -EINVAL;
	write_text(&w, PREFIX);
	write_text(&w, i->domain);
	for (size_t n = 0; n < i->n_endpoints; n++) {
		if (!invite_endpoint_is_valid(i->endpoints[n]))
			return -EINVAL;
		write_text(&w, n == 0 ? "?e=" : ",");
		write_text(&w, i->endpoints[n]);
	}
	memcpy(token, i->token.id, TOKEN_ID_LEN);
	memcpy(token + TOKEN_ID_LEN, i->token.secret, TOKEN_SECRET_LEN);
	write_base64url(&w, "&ca=", i->ca, sizeof(i->ca));
	write_base64url(&w, "&k=", i->network_key, sizeof(i->network_key));
	write_base64url(&w, "&t=", token, sizeof(token));
	write_u8(&w, '\0');
	bytes_wipe(token, sizeof(token));
	return w.overrun ? -ENOBUFS : 0;
}

/* Each of these takes one part's value and returns NULL, or the sentence that says what is
 * wrong. They may cut the value up. */
static const char *take_endpoints(char *value, struct invite *ret)
{
	for (char *next = value; next;) {
		char *endpoint = strsep(&next, ",");

		if (ret->n_endpoints == INVITE_ENDPOINTS_MAX)
			return "The invitation names more than 16 endpoints (the part \"e\").";
		if (!invite_endpoint_is_valid(endpoint))
			return "An endpoint of the invitation (the part \"e\") is not host:port, "
			       "1.2.3.4:port or [IPv6]:port with a port from 1 to 65535.";
		(void)snprintf(ret->endpoints[ret->n_endpoints++], ENDPOINT_SIZE, "%s", endpoint);
	}
	return NULL;
}

static bool take_bytes(const char *value, uint8_t *ret, size_t len)
{
	size_t got;

	return bytes_from_base64url(value, ret, len, &got) == 0 && got == len;
}

static const char *take_ca(char *value, struct invite *ret)
{
	if (!take_bytes(value, ret->ca, sizeof(ret->ca)))
		return "The root's hash in the invitation (the part \"ca\") is not 32 bytes in "
		       "base64url.";
	return NULL;
}

static const char *take_network_key(char *value, struct invite *ret)
{
	if (!take_bytes(value, ret->network_key, sizeof(ret->network_key)))
		return "The network key in the invitation (the part \"k\") is not 32 bytes in "
		       "base64url.";
	return NULL;
}

static const char *take_token(char *value, struct invite *ret)
{
	uint8_t token[TOKEN_LEN] = { 0 };
	bool is_valid = take_bytes(value, token, sizeof(token));

	memcpy(ret->token.id, token, TOKEN_ID_LEN);
	memcpy(ret->token.secret, token + TOKEN_ID_LEN, TOKEN_SECRET_LEN);
	bytes_wipe(token, sizeof(token));
	if (!is_valid)
		return "The token in the invitation (the part \"t\") is not 24 bytes in base64url.";
	return NULL;
}

static const struct part {
	const char *key;
	const char *(*take)(char *value, struct invite *ret);
	const char *missing;
	const char *twice;
} parts[] = {
	{ "e", take_endpoints, "The invitation names no endpoint (the part \"e\").",
	  "The invitation has the part \"e\" twice." },
	{ "ca", take_ca, "The invitation lacks the root's hash (the part \"ca\").",
	  "The invitation has the part \"ca\" twice." },
	{ "k", take_network_key, "The invitation lacks the network key (the part \"k\").",
	  "The invitation has the part \"k\" twice." },
	{ "t", take_token, "The invitation lacks the token (the part \"t\").",
	  "The invitation has the part \"t\" twice." },
};

static const char *take_part(char *text, bool *seen, struct invite *ret)
{
	char *value = strchr(text, '=');

	if (!value)
		return "A part of the invitation has no '='.";
	*value++ = '\0';
	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		if (strcmp(text, parts[i].key) != 0)
			continue;
		if (seen[i])
			return parts[i].twice;
		seen[i] = true;
		return parts[i].take(value, ret);
	}
	return "The invitation has a part this version does not know; it may come from a newer "
	       "version of x0.";
}

static const char *take_query(char *query, struct invite *ret)
{
	bool seen[N_ELEMENTS(parts)] = { false };

	while (query) {
		const char *reason = take_part(strsep(&query, "&"), seen, ret);

		if (reason)
			return reason;
	}
	for (size_t i = 0; i < N_ELEMENTS(parts); i++)
		if (!seen[i])
			return parts[i].missing;
	return NULL;
}

/* text is a copy, and is cut up. */
static const char *take_invite(char *text, struct invite *ret)
{
	char *query;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return "An invitation begins with x0://join/ and this does not.";
	text += strlen(PREFIX);
	query = strchr(text, '?');
	if (!query)
		return "The invitation is cut off: the part behind '?' is missing. In a shell it "
		       "needs quotes.";
	*query++ = '\0';
	if (!domain_is_valid(text))
		return "The invitation's trust domain is not 1 to 128 characters of a-z 0-9 . - _";
	memcpy(ret->domain, text, strlen(text) + 1); /* a valid one fits */
	return take_query(query, ret);
}

int invite_parse(const char *text, struct invite *ret, const char **ret_reason)
{
	char copy[INVITE_TEXT_MAX];
	struct invite invite = { 0 };
	const char *reason = "The invitation is longer than any that x0 makes.";

	if (strnlen(text, sizeof(copy)) < sizeof(copy)) {
		(void)snprintf(copy, sizeof(copy), "%s", text);
		reason = take_invite(copy, &invite);
		bytes_wipe(copy, sizeof(copy));
	}
	if (!reason)
		*ret = invite;
	else
		*ret_reason = reason;
	bytes_wipe(&invite, sizeof(invite));
	return reason ? -EINVAL : 0;
}
