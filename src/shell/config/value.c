/* SPDX-License-Identifier: Apache-2.0 */
/* One value: the checks of its type, and how it is printed. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/config/rules.h"
#include "shell/config/value.h"

static void *field(const struct config *c, size_t offset)
{
	return (uint8_t *)(uintptr_t)c + offset;
}

bool value_is_list(const struct config_key *key)
{
	return key->type >= CONFIG_ADDRESSES;
}

size_t value_count(const struct config *c, const struct config_key *key)
{
	return value_is_list(key) ? *(size_t *)field(c, key->offset_n) : 1;
}

void value_print_allowed(const struct config_key *key, char *ret, size_t size)
{
	const char *space = *key->unit ? " " : "";

	switch (key->type) {
	case CONFIG_STRING:
		(void)snprintf(ret, size, "%" PRIu64 " to %" PRIu64 " characters of %s", key->min,
			       key->max, *key->choices ? key->choices : "any kind");
		break;
	case CONFIG_PATH:
		(void)snprintf(ret, size, "an absolute path of at most %" PRIu64 " characters%s",
			       key->max, key->min == 0 ? ", or nothing" : "");
		break;
	case CONFIG_INTEGER:
		(void)snprintf(ret, size, "%" PRIu64 " to %" PRIu64 "%s%s", key->min, key->max,
			       space, key->unit);
		break;
	case CONFIG_CHOICE:
		(void)snprintf(ret, size, "one of %s", key->choices);
		break;
	case CONFIG_PREFIX:
		(void)snprintf(ret, size,
			       "an IPv4 network of /%" PRIu64 " to /%" PRIu64
			       ", such as 10.86.0.0/16, or nothing",
			       key->min, key->max);
		break;
	case CONFIG_PREFIXES:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " networks, such as 192.168.7.0/24 or \"fd12::/48\"",
			       key->max);
		break;
	case CONFIG_ADDRESSES:
		(void)snprintf(ret, size,
			       "a list of %" PRIu64 " to %" PRIu64
			       " addresses, such as \"[::]:26969\" or 192.0.2.1",
			       key->min, key->max);
		break;
	case CONFIG_HOSTPORTS:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " host:port, such as mesh.example:26969",
			       key->max);
		break;
	case CONFIG_SOURCES:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " prefixes, such as 198.51.100.0/24 or \"2001:db8::/32\"",
			       key->max);
		break;
	case CONFIG_HOSTS:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " addresses with their prefix length, such as 192.168.7.1/24 or "
			       "\"fd12::1/64\"",
			       key->max);
		break;
	case CONFIG_DEVICES:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " names of 1 to 15 characters of a-z A-Z 0-9 . - _",
			       key->max);
		break;
	case CONFIG_PEERS:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " { endpoint: host:port, name: spiffe://... }",
			       key->max);
		break;
	case CONFIG_RULES:
		(void)snprintf(ret, size,
			       "a list of at most %" PRIu64
			       " { allow|forbid: action or list, from: pattern, to: pattern }",
			       key->max);
		break;
	}
}

static int refuse(const struct config_key *key, const struct tree *t, const char *what,
		  struct config_report *report)
{
	char allowed[200];

	value_print_allowed(key, allowed, sizeof(allowed));
	return report_error(report, t->line, "%s: %.60s%s; allowed: %s", key->path,
			    t->kind == TREE_SCALAR ? t->text : "", what, allowed);
}

static const char *kind_text(const struct tree *t)
{
	switch (t->kind) {
	case TREE_NULL:
		return "has no value";
	case TREE_SCALAR:
		return " is a single value";
	case TREE_LIST:
		return "is a list";
	case TREE_MAP:
		return "is a section";
	}
	return "";
}

/* ---- single values ---- */

static int set_string(struct config *c, const struct config_key *key, const struct tree *t,
		      struct config_report *report)
{
	size_t len = strlen(t->text);

	if (len < key->min || len > key->max || len >= CONFIG_TEXT_SIZE)
		return refuse(key, t, " has the wrong length", report);
	if (*key->choices && len > 0) {
		/* "a-z 0-9 . - _": ranges and single characters, with blanks between */
		for (const char *s = t->text; *s; s++) {
			bool is_allowed = false;

			for (const char *a = key->choices; *a && !is_allowed; a++) {
				if (a[1] == '-' && a[2] != ' ' && a[2] != '\0')
					is_allowed = *s >= a[0] && *s <= a[2];
				else
					is_allowed = *a != ' ' && *s == *a;
				a += a[1] == '-' && a[2] != ' ' && a[2] != '\0' ? 2 : 0;
			}
			if (!is_allowed)
				return refuse(key, t, " has a character that is not allowed",
					      report);
		}
	}
	memcpy(field(c, key->offset), t->text, len + 1);
	return 0;
}

static int set_path(struct config *c, const struct config_key *key, const struct tree *t,
		    struct config_report *report)
{
	size_t len = strlen(t->text);

	if (t->text[0] != '/' && (len > 0 || key->min > 0))
		return refuse(key, t, " is no absolute path", report);
	if (len > key->max || len >= CONFIG_TEXT_SIZE)
		return refuse(key, t, " is too long", report);
	for (const char *s = t->text; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return refuse(key, t, " has a control character", report);
	}
	while (len > 1 && t->text[len - 1] == '/')
		len--;
	memcpy(field(c, key->offset), t->text, len);
	((char *)field(c, key->offset))[len] = '\0';
	return 0;
}

static int set_integer(struct config *c, const struct config_key *key, const struct tree *t,
		       struct config_report *report)
{
	char *end;
	uint64_t v;

	if (t->is_quoted || t->text[0] < '0' || t->text[0] > '9')
		return refuse(key, t, " is no whole number", report);
	errno = 0;
	v = strtoull(t->text, &end, 10);
	if (*end != '\0')
		return refuse(key, t, " is no whole number", report);
	if (errno == ERANGE || v < key->min || v > key->max)
		return refuse(key, t, " is out of range", report);
	*(uint64_t *)field(c, key->offset) = v;
	return 0;
}

static int set_choice(struct config *c, const struct config_key *key, const struct tree *t,
		      struct config_report *report)
{
	const char *at = key->choices;
	size_t len = strlen(t->text);

	for (uint64_t i = 0; *at; i++) {
		size_t n = strcspn(at, "|");

		if (n == len && memcmp(at, t->text, n) == 0) {
			*(uint64_t *)field(c, key->offset) = i;
			return 0;
		}
		at += n + (at[n] == '|');
	}
	return refuse(key, t, " is none of the choices", report);
}

static int set_prefix(struct config *c, const struct config_key *key, const struct tree *t,
		      struct config_report *report)
{
	struct prefix p = { 0 };

	if (t->text[0] && prefix_parse(t->text, &p) < 0)
		return refuse(key, t, " is no network, or has bits behind its length", report);
	if (p.len > 0 && (!prefix_is_ipv4(&p) || p.len < PREFIX_IPV4_LEN + key->min ||
			  p.len > PREFIX_IPV4_LEN + key->max))
		return refuse(key, t, " is out of range", report);
	if (p.len > 0 && prefix_fault(&p))
		return refuse(key, t, " has addresses that nobody may have", report);
	*(struct prefix *)field(c, key->offset) = p;
	return 0;
}

/* ---- lists ---- */

/* Puts a text into the list, which has n entries so far. NULL, or what is wrong with it. */
typedef const char *(*take_entry)(void *list, size_t n, const char *text);

static int set_entries(struct config *c, const struct config_key *key, const struct tree *t,
		       take_entry take, struct config_report *report)
{
	size_t *n = field(c, key->offset_n);
	int r = 0;

	*n = 0;
	for (const struct tree *i = t->first; i; i = i->next) {
		const char *fault;
		char what[128];

		if (i->kind != TREE_SCALAR)
			return refuse(key, i, kind_text(i), report);
		fault = take(field(c, key->offset), *n, i->text);
		if (!fault) {
			++*n;
			continue;
		}
		(void)snprintf(what, sizeof(what), " %s", fault);
		r = refuse(key, i, what, report);
	}
	return r;
}

static const char *take_source(void *list, size_t n, const char *text)
{
	struct prefix *to = (struct prefix *)list + n;

	return prefix_parse(text, to) < 0 ? "is no network, or has bits behind its length" : NULL;
}

static const char *take_prefix(void *list, size_t n, const char *text)
{
	const struct prefix *p = (struct prefix *)list + n;
	const char *fault = take_source(list, n, text);

	if (fault)
		return fault;
	return prefix_is_default(p) ? "is what routes.exit offers" : prefix_fault(p);
}

static const char *take_address(void *list, size_t n, const char *text)
{
	struct endpoint *to = (struct endpoint *)list + n;

	return endpoint_parse(text, CONFIG_PORT_DEFAULT, to) < 0 ? "is no address" : NULL;
}

static const char *take_hostport(void *list, size_t n, const char *text)
{
	char(*to)[CONFIG_HOSTPORT_SIZE] = list;

	if (!hostport_is_valid(text))
		return "is no host:port";
	(void)snprintf(to[n], CONFIG_HOSTPORT_SIZE, "%s", text);
	return NULL;
}

/* "192.0.2.7/24" or "2001:db8::7/32". */
static bool host_parse(const char *text, struct config_host *ret)
{
	struct config_host p = { .ip = { [10] = 0xff, [11] = 0xff } };
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned long bits;
	bool is_four;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || slash[1] < '0' || slash[1] > '9')
		return false;
	(void)snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	bits = strtoul(slash + 1, &end, 10);
	is_four = inet_pton(AF_INET, address, p.ip + 12) == 1;
	if (*end || bits > (is_four ? 32 : 128) ||
	    (!is_four && inet_pton(AF_INET6, address, p.ip) != 1))
		return false;
	p.len = (unsigned)bits + (is_four ? 96 : 0);
	*ret = p;
	return true;
}

static void host_print(const struct config_host *p, FILE *to)
{
	static const uint8_t four[12] = { [10] = 0xff, [11] = 0xff };
	bool is_four = p->len >= 96 && memcmp(p->ip, four, sizeof(four)) == 0;
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(is_four ? AF_INET : AF_INET6, p->ip + (is_four ? 12 : 0), text,
			sizeof(text));
	(void)fprintf(to, "\"%s/%u\"", text, p->len - (is_four ? 96 : 0));
}

/* One that an interface may have: no network as a whole, no loopback, no group. */
static bool is_of_an_interface(const struct config_host *p)
{
	struct prefix alone = { .len = 128 };
	bool has_host = p->len == 128;

	memcpy(alone.ip, p->ip, sizeof(alone.ip));
	for (unsigned i = p->len; i < 128; i++)
		has_host |= (p->ip[i / 8] & 0x80 >> i % 8) != 0;
	return has_host && p->len > 0 && p->len != PREFIX_IPV4_LEN && !prefix_fault(&alone);
}

static const char *take_host(void *list, size_t n, const char *text)
{
	struct config_host *to = (struct config_host *)list + n;

	if (!host_parse(text, to))
		return "is no address with a prefix length";
	return is_of_an_interface(to) ? NULL : "is none that an interface may have";
}

static bool device_is_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";
	size_t len = strlen(name);

	return len > 0 && len < CONFIG_DEVICE_SIZE && strspn(name, allowed) == len;
}

static const char *take_device(void *list, size_t n, const char *text)
{
	char(*to)[CONFIG_DEVICE_SIZE] = list;

	if (!device_is_valid(text))
		return "is no name of an interface";
	for (size_t i = 0; i < n; i++)
		if (strcmp(to[i], text) == 0)
			return "is there twice";
	(void)snprintf(to[n], CONFIG_DEVICE_SIZE, "%s", text);
	return NULL;
}

static int set_list(struct config *c, const struct config_key *key, const struct tree *t,
		    struct config_report *report)
{
	size_t n = 0;

	for (const struct tree *i = t->first; i; i = i->next)
		n++;
	if (n < key->min || n > key->max)
		return refuse(key, t, n < key->min ? "has too few entries" : "has too many entries",
			      report);
	switch (key->type) {
	case CONFIG_ADDRESSES:
		return set_entries(c, key, t, take_address, report);
	case CONFIG_HOSTPORTS:
		return set_entries(c, key, t, take_hostport, report);
	case CONFIG_PREFIXES:
		return set_entries(c, key, t, take_prefix, report);
	case CONFIG_SOURCES:
		return set_entries(c, key, t, take_source, report);
	case CONFIG_HOSTS:
		return set_entries(c, key, t, take_host, report);
	case CONFIG_DEVICES:
		return set_entries(c, key, t, take_device, report);
	case CONFIG_PEERS:
		return peers_set(c, t, report);
	default:
		return rules_set(c, t, report);
	}
}

int value_set(struct config *c, const struct config_key *key, const struct tree *t,
	      struct config_report *report)
{
	if (t->kind != (value_is_list(key) ? TREE_LIST : TREE_SCALAR))
		return refuse(key, t, kind_text(t), report);
	switch (key->type) {
	case CONFIG_STRING:
		return set_string(c, key, t, report);
	case CONFIG_PATH:
		return set_path(c, key, t, report);
	case CONFIG_INTEGER:
		return set_integer(c, key, t, report);
	case CONFIG_CHOICE:
		return set_choice(c, key, t, report);
	case CONFIG_PREFIX:
		return set_prefix(c, key, t, report);
	default:
		return set_list(c, key, t, report);
	}
}

/* ---- printing ---- */

void print_quoted(const char *s, FILE *to)
{
	(void)fputc('"', to);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			(void)fprintf(to, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			(void)fprintf(to, "\\u%04x", (unsigned char)*s);
		else
			(void)fputc(*s, to);
	}
	(void)fputc('"', to);
}

static void print_choice(uint64_t index, const char *choices, FILE *to)
{
	while (index-- > 0)
		choices += strcspn(choices, "|") + 1;
	(void)fprintf(to, "\"%.*s\"", (int)strcspn(choices, "|"), choices);
}

/* No network is empty text: ::/0 is none that a file may have. */
static void print_prefix(const struct prefix *p, FILE *to)
{
	char text[PREFIX_TEXT_SIZE] = "";

	if (p->len > 0)
		prefix_format(p, text);
	print_quoted(text, to);
}

static void print_item(const struct config *c, const struct config_key *key, size_t i, FILE *to)
{
	char text[ENDPOINT_TEXT_SIZE];
	char prefix[PREFIX_TEXT_SIZE];

	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
		print_quoted(field(c, key->offset), to);
		break;
	case CONFIG_INTEGER:
		(void)fprintf(to, "%" PRIu64, *(uint64_t *)field(c, key->offset));
		break;
	case CONFIG_CHOICE:
		print_choice(*(uint64_t *)field(c, key->offset), key->choices, to);
		break;
	case CONFIG_PREFIX:
		print_prefix(field(c, key->offset), to);
		break;
	case CONFIG_PREFIXES:
		print_prefix((struct prefix *)field(c, key->offset) + i, to);
		break;
	case CONFIG_ADDRESSES:
		endpoint_format((struct endpoint *)field(c, key->offset) + i, text);
		print_quoted(text, to);
		break;
	case CONFIG_HOSTPORTS:
		print_quoted(((char(*)[CONFIG_HOSTPORT_SIZE])field(c, key->offset))[i], to);
		break;
	case CONFIG_SOURCES:
		prefix_format((struct prefix *)field(c, key->offset) + i, prefix);
		print_quoted(prefix, to);
		break;
	case CONFIG_HOSTS:
		host_print((struct config_host *)field(c, key->offset) + i, to);
		break;
	case CONFIG_DEVICES:
		print_quoted(((char(*)[CONFIG_DEVICE_SIZE])field(c, key->offset))[i], to);
		break;
	case CONFIG_PEERS:
		peer_print(&c->peers[i], to);
		break;
	case CONFIG_RULES:
		rule_print(&c->rules[i], to);
		break;
	}
}

void value_print(const struct config *c, const struct config_key *key, FILE *to)
{
	size_t n = value_count(c, key);

	if (value_is_list(key))
		(void)fputc('[', to);
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i > 0 ? ", " : "", to);
		print_item(c, key, i, to);
	}
	if (value_is_list(key))
		(void)fputc(']', to);
}

void value_print_items(const struct config *c, const struct config_key *key, unsigned indent,
		       FILE *to)
{
	size_t n = value_count(c, key);

	for (size_t i = 0; i < n; i++) {
		(void)fprintf(to, "%*s- ", (int)indent, "");
		print_item(c, key, i, to);
		(void)fputc('\n', to);
	}
}
