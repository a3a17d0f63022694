/* SPDX-License-Identifier: Apache-2.0 */
/* The table of batman-adv's settings, and their values as text. */
#include <errno.h>
#include <limits.h>
#include <linux/batman_adv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/batman/batman.h"

static const char *const gateway_modes[] = { "off", "client", "server", NULL };

#define BOOL(name_, attribute_, help_)                                             \
	{                                                                          \
		.name = (name_), .help = (help_), .unit = "", .kind = BATMAN_BOOL, \
		.attribute = (attribute_), .size = 1, .max = 1                     \
	}

#define NUMBER(name_, attribute_, size_, min_, max_, unit_, help_)                        \
	{                                                                                 \
		.name = (name_), .help = (help_), .unit = (unit_), .kind = BATMAN_NUMBER, \
		.attribute = (attribute_), .size = (size_), .min = (min_), .max = (max_)  \
	}

#define OF_INTERFACE(name_, attribute_, size_, min_, max_, unit_, help_)                  \
	{                                                                                 \
		.name = (name_), .help = (help_), .unit = (unit_), .kind = BATMAN_NUMBER, \
		.attribute = (attribute_), .size = (size_), .min = (min_), .max = (max_), \
		.is_of_interface = true                                                   \
	}

const struct batman_setting batman_settings[] = {
	NUMBER("orig_interval", BATADV_ATTR_ORIG_INTERVAL, 4, 40, INT_MAX, "ms",
	       "between two originator messages"),
	NUMBER("hop_penalty", BATADV_ATTR_HOP_PENALTY, 1, 0, 255, "",
	       "taken off the metric at each hop; 255 is all of it"),
	BOOL("aggregation", BATADV_ATTR_AGGREGATED_OGMS_ENABLED,
	     "originator messages in one packet"),
	BOOL("ap_isolation", BATADV_ATTR_AP_ISOLATION_ENABLED,
	     "no traffic between wireless clients"),
	BOOL("bonding", BATADV_ATTR_BONDING_ENABLED, "several interfaces at the same time"),
	BOOL("bridge_loop_avoidance", BATADV_ATTR_BRIDGE_LOOP_AVOIDANCE_ENABLED,
	     "loops over bridged networks are found and cut"),
	BOOL("distributed_arp_table", BATADV_ATTR_DISTRIBUTED_ARP_TABLE_ENABLED,
	     "ARP is answered from a distributed table"),
	BOOL("fragmentation", BATADV_ATTR_FRAGMENTATION_ENABLED,
	     "frames that do not fit are cut, not dropped"),
	{ .name = "gw_mode",
	  .help = "whether this node announces itself as a way out",
	  .unit = "",
	  .kind = BATMAN_CHOICE,
	  .choices = gateway_modes,
	  .max = 2,
	  .attribute = BATADV_ATTR_GW_MODE,
	  .size = 1 },
	NUMBER("gw_bandwidth_down", BATADV_ATTR_GW_BANDWIDTH_DOWN, 4, 1, UINT32_MAX, "100 kbit/s",
	       "what a gateway server announces"),
	NUMBER("gw_bandwidth_up", BATADV_ATTR_GW_BANDWIDTH_UP, 4, 1, UINT32_MAX, "100 kbit/s",
	       "what a gateway server announces"),
	NUMBER("gw_sel_class", BATADV_ATTR_GW_SEL_CLASS, 4, 1, UINT32_MAX, "",
	       "how a client chooses its gateway"),
	{ .name = "isolation_mark",
	  .help = "firewall mark of clients that are isolated",
	  .unit = "",
	  .kind = BATMAN_MARK,
	  .attribute = BATADV_ATTR_ISOLATION_MARK,
	  .size = 4,
	  .max = UINT32_MAX },
	BOOL("multicast_forceflood", BATADV_ATTR_MULTICAST_FORCEFLOOD_ENABLED,
	     "multicast goes everywhere"),
	NUMBER("multicast_fanout", BATADV_ATTR_MULTICAST_FANOUT, 4, 0, INT_MAX, "packets",
	       "copies of a multicast packet before it is broadcast"),
	BOOL("network_coding", BATADV_ATTR_NETWORK_CODING_ENABLED,
	     "two packets in one transmission"),
	OF_INTERFACE("elp_interval", BATADV_ATTR_ELP_INTERVAL, 4, 40, INT_MAX, "ms",
		     "between two probes of neighbours (BATMAN_V)"),
	OF_INTERFACE("hop_penalty", BATADV_ATTR_HOP_PENALTY, 1, 0, 255, "",
		     "taken off the metric on this interface; 255 is all of it"),
	OF_INTERFACE("throughput_override", BATADV_ATTR_THROUGHPUT_OVERRIDE, 4, 0, UINT32_MAX,
		     "100 kbit/s", "taken for the link's (BATMAN_V); 0: measured, else 1 Mbit/s"),
	{ .name = NULL },
};
_Static_assert(N_ELEMENTS(batman_settings) <= BATMAN_SETTINGS_MAX, "a value for each setting");

const struct batman_setting *batman_setting_find(const char *name, bool is_of_interface)
{
	for (const struct batman_setting *s = batman_settings; s->name; s++)
		if (s->is_of_interface == is_of_interface && strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* ---- values ---- */

static int parse_number(const char *text, char end, uint32_t *ret, const char **ret_rest)
{
	unsigned long long number;
	char *rest;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL; /* strtoull() takes signs and blanks */
	errno = 0;
	number = strtoull(text, &rest, 0);
	if (*rest != end)
		return -EINVAL;
	if (errno == ERANGE || number > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)number;
	*ret_rest = rest;
	return 0;
}

static int parse_bool(const char *text, uint32_t *ret)
{
	static const char *const words[] = { "0", "1", "off", "on", "false", "true" };

	for (size_t i = 0; i < N_ELEMENTS(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_choice(const struct batman_setting *s, const char *text, uint32_t *ret)
{
	for (uint32_t i = 0; s->choices[i]; i++) {
		if (strcmp(text, s->choices[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* "MARK/MASK", or "MARK" alone for all its bits. */
static int parse_mark(const char *text, struct batman_value *ret)
{
	const char *rest;
	bool has_mask = strchr(text, '/') != NULL;
	int r = parse_number(text, has_mask ? '/' : '\0', &ret->number, &rest);

	ret->mask = UINT32_MAX;
	if (r == 0 && has_mask)
		r = parse_number(rest + 1, '\0', &ret->mask, &rest);
	return r;
}

int batman_value_parse(const struct batman_setting *s, const char *text, struct batman_value *ret)
{
	struct batman_value value = { .is_known = true };
	const char *rest;
	int r = 0;

	switch (s->kind) {
	case BATMAN_BOOL:
		r = parse_bool(text, &value.number);
		break;
	case BATMAN_NUMBER:
		r = parse_number(text, '\0', &value.number, &rest);
		if (r == 0 && (value.number < s->min || value.number > s->max))
			r = -ERANGE;
		break;
	case BATMAN_CHOICE:
		r = parse_choice(s, text, &value.number);
		break;
	case BATMAN_MARK:
		r = parse_mark(text, &value);
		break;
	}
	if (r == 0)
		*ret = value;
	return r;
}

void batman_value_format(const struct batman_setting *s, const struct batman_value *value,
			 char ret[BATMAN_VALUE_SIZE])
{
	switch (s->kind) {
	case BATMAN_BOOL:
		(void)snprintf(ret, BATMAN_VALUE_SIZE, "%s", value->number ? "on" : "off");
		return;
	case BATMAN_CHOICE:
		if (value->number <= s->max)
			(void)snprintf(ret, BATMAN_VALUE_SIZE, "%s", s->choices[value->number]);
		else
			(void)snprintf(ret, BATMAN_VALUE_SIZE, "%u", value->number);
		return;
	case BATMAN_MARK:
		(void)snprintf(ret, BATMAN_VALUE_SIZE, "0x%08x/0x%08x", value->number, value->mask);
		return;
	case BATMAN_NUMBER:
		(void)snprintf(ret, BATMAN_VALUE_SIZE, "%u", value->number);
		return;
	}
}
