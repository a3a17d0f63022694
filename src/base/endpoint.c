/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints as text and back. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t ipv4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool endpoint_is_ipv4(const struct endpoint *e)
{
	return memcmp(e->ip, ipv4_prefix, sizeof(ipv4_prefix)) == 0;
}

bool endpoint_is_null(const struct endpoint *e)
{
	static const struct endpoint null;

	return endpoint_equal(e, &null);
}

bool endpoint_is_link_local(const struct endpoint *e)
{
	return e->ip[0] == 0xfe && (e->ip[1] & 0xc0) == 0x80;
}

void endpoint_format(const struct endpoint *e, char ret[ENDPOINT_TEXT_SIZE])
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (endpoint_is_ipv4(e)) {
		(void)inet_ntop(AF_INET, e->ip + 12, ip, sizeof(ip));
		(void)snprintf(ret, ENDPOINT_TEXT_SIZE, "%s:%u", ip, e->port);
		return;
	}
	(void)inet_ntop(AF_INET6, e->ip, ip, sizeof(ip));
	if (e->scope)
		(void)snprintf(ret, ENDPOINT_TEXT_SIZE, "[%s%%%u]:%u", ip, e->scope, e->port);
	else
		(void)snprintf(ret, ENDPOINT_TEXT_SIZE, "[%s]:%u", ip, e->port);
}

static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* Cuts the port off the text: "[ip]:port", "ip:port" with one colon, or no port at all. */
static int split_port(char *text, char **ret_ip, char **ret_port)
{
	char *colon = strchr(text, ':');

	*ret_port = NULL;
	*ret_ip = text;
	if (*text == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		*close = '\0';
		*ret_ip = text + 1;
		if (close[1])
			*ret_port = close + 2;
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*ret_port = colon + 1;
	}
	return 0;
}

int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret)
{
	char copy[ENDPOINT_TEXT_SIZE];
	struct endpoint e = { .port = default_port };
	unsigned long port = default_port;
	unsigned long scope = 0;
	char *ip;
	char *port_text;
	char *percent;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	if (split_port(copy, &ip, &port_text) < 0)
		return -EINVAL;
	if (port_text && (parse_number(port_text, UINT16_MAX, &port) < 0 || port == 0))
		return -EINVAL;
	e.port = (uint16_t)port;
	percent = strchr(ip, '%');
	if (percent) {
		*percent = '\0';
		if (parse_number(percent + 1, UINT32_MAX, &scope) < 0)
			return -EINVAL;
		e.scope = (uint32_t)scope;
	}
	if (inet_pton(AF_INET, ip, e.ip + 12) == 1 && !percent)
		memcpy(e.ip, ipv4_prefix, sizeof(ipv4_prefix));
	else if (inet_pton(AF_INET6, ip, e.ip) != 1)
		return -EINVAL;
	*ret = e;
	return 0;
}
