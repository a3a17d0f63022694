/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of the family "batadv" (linux/batman_adv.h) to what they mean, and back. */
#include "shell/batman/codec.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/batman_adv.h>
#include <linux/genetlink.h>
#include <string.h>

#define ATTRIBUTES_MAX 64 /* the kernel's numbers end at BATADV_ATTR_MAX, and grow */
_Static_assert(BATADV_ATTR_MAX < ATTRIBUTES_MAX, "room for all attributes");

#define KBPS_OF_UNIT 100 /* gateways announce hundreds of kbit/s */

/* ---- requests ---- */

struct nlmsghdr *batman_request(void *buffer, uint16_t family, uint8_t command, uint16_t flags,
				uint32_t mesh_index)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *g;

	h->nlmsg_type = family;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = command;
	g->version = 1;
	if (mesh_index > 0)
		mnl_attr_put_u32(h, BATADV_ATTR_MESH_IFINDEX, mesh_index);
	return h;
}

void batman_put_setting(struct nlmsghdr *h, const struct batman_setting *s,
			const struct batman_value *value)
{
	if (s->size == 1)
		mnl_attr_put_u8(h, s->attribute, (uint8_t)value->number);
	else
		mnl_attr_put_u32(h, s->attribute, value->number);
	if (s->kind == BATMAN_MARK)
		mnl_attr_put_u32(h, (uint16_t)(s->attribute + 1), value->mask);
}

/* ---- answers ---- */

struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

static int keep_attribute(const struct nlattr *a, void *arg)
{
	struct attributes *all = arg;

	if (mnl_attr_get_type(a) < ATTRIBUTES_MAX)
		all->of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static int parse(const struct nlmsghdr *h, struct attributes *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (mnl_nlmsg_get_payload_len(h) < sizeof(struct genlmsghdr))
		return -EBADMSG;
	return mnl_attr_parse(h, sizeof(struct genlmsghdr), keep_attribute, ret) < 0 ? -EBADMSG : 0;
}

/* Each of the following leaves its result alone where there is no such attribute, and lowers *r to
 * -EBADMSG where it is too short. */
static bool has(const struct attributes *all, unsigned type, size_t len, int *r)
{
	const struct nlattr *a = all->of[type];

	if (a && mnl_attr_get_payload_len(a) < len)
		*r = -EBADMSG;
	return a && mnl_attr_get_payload_len(a) >= len;
}

static bool get_u8(const struct attributes *all, unsigned type, uint8_t *ret, int *r)
{
	if (!has(all, type, sizeof(*ret), r))
		return false;
	*ret = mnl_attr_get_u8(all->of[type]);
	return true;
}

static bool get_u16(const struct attributes *all, unsigned type, uint16_t *ret, int *r)
{
	if (!has(all, type, sizeof(*ret), r))
		return false;
	*ret = mnl_attr_get_u16(all->of[type]);
	return true;
}

static bool get_u32(const struct attributes *all, unsigned type, uint32_t *ret, int *r)
{
	if (!has(all, type, sizeof(*ret), r))
		return false;
	*ret = mnl_attr_get_u32(all->of[type]);
	return true;
}

static bool get_address(const struct attributes *all, unsigned type, uint8_t ret[6], int *r)
{
	if (!has(all, type, 6, r))
		return false;
	memcpy(ret, mnl_attr_get_payload(all->of[type]), 6);
	return true;
}

/* Cut to fit, and always ended. */
static void get_text(const struct attributes *all, unsigned type, char *ret, size_t size)
{
	const struct nlattr *a = all->of[type];
	size_t len;

	if (!a)
		return;
	len = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	if (len > size - 1)
		len = size - 1;
	memcpy(ret, mnl_attr_get_payload(a), len);
	ret[len] = '\0';
}

static void get_values(const struct attributes *all, bool is_of_interface,
		       struct batman_value values[BATMAN_SETTINGS_MAX], int *r)
{
	for (size_t i = 0; batman_settings[i].name; i++) {
		const struct batman_setting *s = &batman_settings[i];
		uint8_t small;

		if (s->is_of_interface != is_of_interface)
			continue;
		if (s->size == 1 && get_u8(all, s->attribute, &small, r))
			values[i] = (struct batman_value){ .is_known = true, .number = small };
		else if (s->size == 4 && get_u32(all, s->attribute, &values[i].number, r))
			values[i].is_known = true;
		if (s->kind == BATMAN_MARK)
			(void)get_u32(all, s->attribute + 1U, &values[i].mask, r);
	}
}

int batman_read_family(const struct nlmsghdr *h, uint16_t *ret)
{
	struct attributes all;
	int r = parse(h, &all);

	if (r < 0)
		return r;
	if (!get_u16(&all, CTRL_ATTR_FAMILY_ID, ret, &r))
		return -EBADMSG;
	return r;
}

int batman_read_mesh(const struct nlmsghdr *h, struct batman_mesh *ret)
{
	struct batman_mesh mesh = { 0 };
	struct attributes all;
	int r = parse(h, &all);

	if (r < 0)
		return r;
	get_text(&all, BATADV_ATTR_MESH_IFNAME, mesh.name, sizeof(mesh.name));
	get_text(&all, BATADV_ATTR_VERSION, mesh.version, sizeof(mesh.version));
	get_text(&all, BATADV_ATTR_ALGO_NAME, mesh.algorithm, sizeof(mesh.algorithm));
	get_text(&all, BATADV_ATTR_HARD_IFNAME, mesh.primary, sizeof(mesh.primary));
	if (!get_address(&all, BATADV_ATTR_MESH_ADDRESS, mesh.address, &r))
		r = -EBADMSG;
	(void)get_address(&all, BATADV_ATTR_HARD_ADDRESS, mesh.originator, &r);
	get_values(&all, false, mesh.values, &r);
	if (r == 0)
		*ret = mesh;
	return r;
}

int batman_read_interface(const struct nlmsghdr *h, struct batman_interface *ret)
{
	struct batman_interface i = { 0 };
	struct attributes all;
	int r = parse(h, &all);

	if (r < 0)
		return r;
	get_text(&all, BATADV_ATTR_HARD_IFNAME, i.name, sizeof(i.name));
	if (!i.name[0] || !get_address(&all, BATADV_ATTR_HARD_ADDRESS, i.address, &r))
		r = -EBADMSG;
	i.is_active = all.of[BATADV_ATTR_ACTIVE] != NULL;
	get_values(&all, true, i.values, &r);
	if (r == 0)
		*ret = i;
	return r;
}

/* Which attributes a table's row is made of; 0 where it has none. */
static const struct {
	uint16_t address, via, vlan, crc;
} columns[BATMAN_N_TABLES] = {
	[BATMAN_NEIGHBOURS] = { BATADV_ATTR_NEIGH_ADDRESS, 0, 0, 0 },
	[BATMAN_ORIGINATORS] = { BATADV_ATTR_ORIG_ADDRESS, BATADV_ATTR_NEIGH_ADDRESS, 0, 0 },
	[BATMAN_GATEWAYS] = { BATADV_ATTR_ORIG_ADDRESS, BATADV_ATTR_ROUTER, 0, 0 },
	[BATMAN_LOCAL] = { BATADV_ATTR_TT_ADDRESS, 0, BATADV_ATTR_TT_VID, BATADV_ATTR_TT_CRC32 },
	[BATMAN_GLOBAL] = { BATADV_ATTR_TT_ADDRESS, BATADV_ATTR_ORIG_ADDRESS, BATADV_ATTR_TT_VID,
			    BATADV_ATTR_TT_CRC32 },
	[BATMAN_CLAIMS] = { BATADV_ATTR_BLA_ADDRESS, BATADV_ATTR_BLA_BACKBONE, BATADV_ATTR_BLA_VID,
			    BATADV_ATTR_BLA_CRC },
	[BATMAN_BACKBONES] = { BATADV_ATTR_BLA_BACKBONE, 0, BATADV_ATTR_BLA_VID,
			       BATADV_ATTR_BLA_CRC },
};

#define VLAN_HAS_TAG 0x8000 /* linux/batadv_packet.h: BATADV_VLAN_HAS_TAG */

static void get_vlan(const struct attributes *all, unsigned type, struct batman_row *row, int *r)
{
	uint16_t vlan;

	if (type == 0 || !get_u16(all, type, &vlan, r))
		return;
	row->has_vlan = vlan & VLAN_HAS_TAG;
	row->vlan = row->has_vlan ? vlan & 0x0fff : 0;
}

static void get_rest(const struct attributes *all, struct batman_row *row, int *r)
{
	get_text(all, BATADV_ATTR_HARD_IFNAME, row->interface, sizeof(row->interface));
	row->is_best = all->of[BATADV_ATTR_FLAG_BEST] != NULL;
	row->is_own = all->of[BATADV_ATTR_BLA_OWN] != NULL;
	row->has_quality = get_u8(all, BATADV_ATTR_TQ, &row->quality, r);
	row->has_throughput = get_u32(all, BATADV_ATTR_THROUGHPUT, &row->throughput_kbps, r);
	row->has_last_seen = get_u32(all, BATADV_ATTR_LAST_SEEN_MSECS, &row->last_seen_ms, r);
	(void)get_u8(all, BATADV_ATTR_TT_TTVN, &row->version, r);
	(void)get_u32(all, BATADV_ATTR_TT_FLAGS, &row->flags, r);
}

/* Hundreds of kbit/s, and no more than 32 bits of kbit/s. */
static void get_bandwidth(const struct attributes *all, unsigned type, uint32_t *ret_kbps, int *r)
{
	uint32_t hundreds;

	if (get_u32(all, type, &hundreds, r))
		*ret_kbps =
			hundreds > UINT32_MAX / KBPS_OF_UNIT ? UINT32_MAX : hundreds * KBPS_OF_UNIT;
}

int batman_read_row(const struct nlmsghdr *h, enum batman_table table, struct batman_row *ret)
{
	struct batman_row row = { 0 };
	struct attributes all;
	int r = parse(h, &all);

	if (r < 0)
		return r;
	if (!get_address(&all, columns[table].address, row.address, &r))
		return -EBADMSG;
	if (columns[table].via)
		(void)get_address(&all, columns[table].via, row.via, &r);
	get_vlan(&all, columns[table].vlan, &row, &r);
	if (columns[table].crc == BATADV_ATTR_TT_CRC32) {
		(void)get_u32(&all, columns[table].crc, &row.crc, &r);
	} else if (columns[table].crc) {
		uint16_t crc;

		if (get_u16(&all, columns[table].crc, &crc, &r))
			row.crc = crc;
	}
	get_rest(&all, &row, &r);
	get_bandwidth(&all, BATADV_ATTR_BANDWIDTH_DOWN, &row.down_kbps, &r);
	get_bandwidth(&all, BATADV_ATTR_BANDWIDTH_UP, &row.up_kbps, &r);
	if (table == BATMAN_GATEWAYS) /* unlike that of a neighbour or an originator */
		get_bandwidth(&all, BATADV_ATTR_THROUGHPUT, &row.throughput_kbps, &r);
	if (r == 0)
		*ret = row;
	return r;
}
