/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of batman-adv: linux/batadv_packet.h says how each is laid out. */
#include "core/batman/batwire.h"

#include <errno.h>
#include <string.h>

#define ETHERNET_LEN 14
#define TT_VERSION 1 /* of the container */
#define TT_HEAD_LEN 4
#define TT_VLAN_LEN 8
#define TT_CHANGE_LEN 12

/* Type and version, which begin every packet. */
static int begin(struct reader *r, struct span packet, uint8_t type, size_t len)
{
	*r = reader_of(packet);
	if (packet.len < len)
		return -EBADMSG;
	if (read_u8(r) != type)
		return -EBADMSG;
	return read_u8(r) == BATWIRE_VERSION ? 0 : -EPROTO;
}

static void write_head(struct writer *w, uint8_t type)
{
	write_u8(w, type);
	write_u8(w, BATWIRE_VERSION);
}

int batwire_type(struct span packet, uint8_t *ret)
{
	if (packet.len < 2)
		return -EBADMSG;
	if (packet.at[1] != BATWIRE_VERSION)
		return -EPROTO;
	*ret = packet.at[0];
	return 0;
}

/* ---- neighbours ---- */

int batwire_elp_read(struct span packet, struct batwire_elp *ret)
{
	struct reader r;
	int error = begin(&r, packet, BATWIRE_ELP, BATWIRE_ELP_LEN);

	if (error < 0)
		return error;
	read_copy(&r, ret->originator, 6);
	ret->seqno = read_u32(&r);
	ret->interval_ms = read_u32(&r);
	return 0;
}

void batwire_elp_write(struct writer *w, const struct batwire_elp *elp)
{
	write_head(w, BATWIRE_ELP);
	write_bytes(w, elp->originator, 6);
	write_u32(w, elp->seqno);
	write_u32(w, elp->interval_ms);
}

/* ---- originators ---- */

int batwire_ogm_next(struct reader *r, struct batwire_ogm *ret)
{
	uint16_t tvlv_len;

	/* What is shorter than a header, or another type, is padding behind the last one. */
	if (r->left < BATWIRE_OGM2_LEN || r->at[0] != BATWIRE_OGM2)
		return 0;
	(void)read_u8(r);
	if (read_u8(r) != BATWIRE_VERSION)
		return -EPROTO;
	ret->ttl = read_u8(r);
	ret->flags = read_u8(r);
	ret->seqno = read_u32(r);
	read_copy(r, ret->originator, 6);
	tvlv_len = read_u16(r);
	ret->throughput = read_u32(r);
	ret->tvlvs = read_span(r, tvlv_len);
	return r->overrun ? -EBADMSG : 1;
}

void batwire_ogm_write(struct writer *w, const struct batwire_ogm *ogm)
{
	write_head(w, BATWIRE_OGM2);
	write_u8(w, ogm->ttl);
	write_u8(w, ogm->flags);
	write_u32(w, ogm->seqno);
	write_bytes(w, ogm->originator, 6);
	write_u16(w, (uint16_t)ogm->tvlvs.len);
	write_u32(w, ogm->throughput);
	write_span(w, ogm->tvlvs);
}

/* ---- containers ---- */

int batwire_tvlv_next(struct reader *r, struct batwire_tvlv *ret)
{
	if (r->left == 0)
		return 0;
	ret->type = read_u8(r);
	ret->version = read_u8(r);
	ret->body = read_span(r, read_u16(r));
	return r->overrun ? -EBADMSG : 1;
}

void batwire_tvlv_write(struct writer *w, const struct batwire_tvlv *tvlv)
{
	write_u8(w, tvlv->type);
	write_u8(w, tvlv->version);
	write_u16(w, (uint16_t)tvlv->body.len);
	write_span(w, tvlv->body);
}

/* ---- translation tables ---- */

int batwire_tt_read(struct span body, struct batwire_tt *ret)
{
	struct reader r = reader_of(body);

	ret->flags = read_u8(&r);
	ret->version = read_u8(&r);
	ret->n_vlans = read_u16(&r);
	if (r.overrun || ret->n_vlans * (size_t)TT_VLAN_LEN > r.left)
		return -EBADMSG;
	if (ret->n_vlans > BATWIRE_VLANS_MAX)
		return -ENOBUFS;
	for (unsigned i = 0; i < ret->n_vlans; i++) {
		ret->vlans[i].crc = read_u32(&r);
		ret->vlans[i].vid = read_u16(&r);
		(void)read_u16(&r);
	}
	ret->changes = read_span(&r, r.left - r.left % TT_CHANGE_LEN);
	return r.overrun ? -EBADMSG : 0;
}

bool batwire_tt_change_next(struct reader *r, struct batwire_tt_change *ret)
{
	if (r->left < TT_CHANGE_LEN)
		return false;
	ret->flags = read_u8(r);
	(void)read_bytes(r, 3);
	read_copy(r, ret->address, 6);
	ret->vid = read_u16(r);
	return true;
}

void batwire_tt_write(struct writer *w, const struct batwire_tt *tt)
{
	write_u8(w, BATWIRE_TVLV_TT);
	write_u8(w, TT_VERSION);
	write_u16(w, (uint16_t)(TT_HEAD_LEN + tt->n_vlans * TT_VLAN_LEN + tt->changes.len));
	write_u8(w, tt->flags);
	write_u8(w, tt->version);
	write_u16(w, (uint16_t)tt->n_vlans);
	for (unsigned i = 0; i < tt->n_vlans; i++) {
		write_u32(w, tt->vlans[i].crc);
		write_u16(w, tt->vlans[i].vid);
		write_u16(w, 0);
	}
	write_span(w, tt->changes);
}

void batwire_tt_change_write(struct writer *w, const struct batwire_tt_change *change)
{
	write_u8(w, change->flags);
	write_u24(w, 0);
	write_bytes(w, change->address, 6);
	write_u16(w, change->vid);
}

/* CRC-32C (Castagnoli), reflected, without the inversions at its ends. */
static uint32_t crc32c(uint32_t crc, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return crc;
}

uint32_t batwire_client_crc(const struct batwire_tt_change *client)
{
	uint8_t head[3];

	store_u16(head, client->vid);
	head[2] = client->flags & BATWIRE_CLIENT_SYNC_MASK;
	return crc32c(crc32c(0, head, sizeof(head)), client->address, 6);
}

/* ---- unicast containers ---- */

int batwire_unicast_tvlv_read(struct span packet, struct batwire_unicast_tvlv *ret)
{
	struct reader r;
	int error = begin(&r, packet, BATWIRE_UNICAST_TVLV, BATWIRE_UNICAST_TVLV_LEN);
	uint16_t len;

	if (error < 0)
		return error;
	ret->ttl = read_u8(&r);
	(void)read_u8(&r);
	read_copy(&r, ret->to, 6);
	read_copy(&r, ret->from, 6);
	len = read_u16(&r);
	(void)read_u16(&r);
	ret->tvlvs = read_span(&r, len);
	return r.overrun ? -EBADMSG : 0;
}

void batwire_unicast_tvlv_write(struct writer *w, const struct batwire_unicast_tvlv *u)
{
	write_head(w, BATWIRE_UNICAST_TVLV);
	write_u8(w, u->ttl);
	write_u8(w, 0);
	write_bytes(w, u->to, 6);
	write_bytes(w, u->from, 6);
	write_u16(w, (uint16_t)u->tvlvs.len);
	write_u16(w, 0);
	write_span(w, u->tvlvs);
}

/* ---- ICMP ---- */

int batwire_icmp_read(struct span packet, struct batwire_icmp *ret)
{
	struct reader r;
	int error = begin(&r, packet, BATWIRE_ICMP, BATWIRE_ICMP_LEN);

	if (error < 0)
		return error;
	memset(ret, 0, sizeof(*ret));
	ret->ttl = read_u8(&r);
	ret->kind = read_u8(&r);
	read_copy(&r, ret->to, 6);
	read_copy(&r, ret->from, 6);
	ret->uid = read_u8(&r);
	ret->n_records = read_u8(&r); /* reserved where there is no record */
	ret->seqno = read_u16(&r);
	ret->has_records = packet.len >= BATWIRE_ICMP_RECORD_LEN;
	if (!ret->has_records)
		ret->n_records = 0;
	else if (ret->n_records > BATWIRE_RECORDS_MAX)
		return -EBADMSG;
	for (unsigned i = 0; ret->has_records && i < BATWIRE_RECORDS_MAX; i++)
		read_copy(&r, ret->records[i], 6);
	return 0;
}

void batwire_icmp_write(struct writer *w, const struct batwire_icmp *icmp)
{
	write_head(w, BATWIRE_ICMP);
	write_u8(w, icmp->ttl);
	write_u8(w, icmp->kind);
	write_bytes(w, icmp->to, 6);
	write_bytes(w, icmp->from, 6);
	write_u8(w, icmp->uid);
	write_u8(w, icmp->n_records);
	write_u16(w, icmp->seqno);
	for (unsigned i = 0; icmp->has_records && i < BATWIRE_RECORDS_MAX; i++)
		write_bytes(w, icmp->records[i], 6);
}

/* ---- data ---- */

static void read_unicast(struct reader *r, struct batwire_data *ret)
{
	ret->tt_version = read_u8(r);
	read_copy(r, ret->to, 6);
	if (ret->type == BATWIRE_UNICAST_4ADDR) {
		read_copy(r, ret->from, 6);
		ret->subtype = read_u8(r);
		(void)read_u8(r);
	}
}

int batwire_data_read(struct span packet, struct batwire_data *ret)
{
	struct reader r = reader_of(packet);
	uint8_t type;
	int error = batwire_type(packet, &type);

	if (error < 0)
		return error;
	if (type != BATWIRE_UNICAST && type != BATWIRE_UNICAST_4ADDR && type != BATWIRE_BCAST)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	(void)read_u16(&r);
	ret->type = type;
	ret->ttl = read_u8(&r);
	if (type == BATWIRE_BCAST) {
		(void)read_u8(&r);
		ret->seqno = read_u32(&r);
		read_copy(&r, ret->from, 6);
	} else {
		read_unicast(&r, ret);
	}
	ret->frame = read_span(&r, r.left);
	return r.overrun || ret->frame.len < ETHERNET_LEN ? -EBADMSG : 0;
}

void batwire_data_write(struct writer *w, const struct batwire_data *data)
{
	write_head(w, data->type);
	write_u8(w, data->ttl);
	if (data->type == BATWIRE_BCAST) {
		write_u8(w, 0);
		write_u32(w, data->seqno);
		write_bytes(w, data->from, 6);
	} else {
		write_u8(w, data->tt_version);
		write_bytes(w, data->to, 6);
	}
	write_span(w, data->frame);
}

int batwire_fragment_read(struct span packet, struct batwire_fragment *ret)
{
	struct reader r;
	int error = begin(&r, packet, BATWIRE_FRAGMENT, BATWIRE_FRAGMENT_LEN);

	if (error < 0)
		return error;
	ret->ttl = read_u8(&r);
	ret->number = read_u8(&r) >> 4;
	read_copy(&r, ret->to, 6);
	read_copy(&r, ret->from, 6);
	ret->seqno = read_u16(&r);
	ret->total_len = read_u16(&r);
	ret->part = read_span(&r, r.left);
	return ret->part.len == 0 || ret->part.len > ret->total_len ? -EBADMSG : 0;
}

/* ---- metric ---- */

#define METRIC_MAX ((1U << 24) - 1)
#define METRIC_BASE 10	     /* 100 µs */
#define METRIC_OF_UNIT 11200 /* 1400 bytes at 100 kbit/s: 112 ms */

uint32_t batwire_metric_of(uint32_t throughput)
{
	return throughput == 0 ? METRIC_MAX : METRIC_BASE + METRIC_OF_UNIT / throughput;
}

uint32_t batwire_throughput_of(uint32_t metric)
{
	if (metric <= METRIC_BASE)
		return METRIC_OF_UNIT;
	return metric - METRIC_BASE >= METRIC_OF_UNIT ? 1 : METRIC_OF_UNIT / (metric - METRIC_BASE);
}
