/* SPDX-License-Identifier: Apache-2.0 */
/* The last ten minutes in values of a second: what plots are drawn of, where no Prometheus keeps
 * them. Only where the API is on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api.h"
#include "daemon/threads.h"
#include "shell/host/host.h"

#define VALUES 600
#define PEERS_MAX 64 /* neighbours that are kept at one time */

enum series {
	SENT_BPS,
	RECEIVED_BPS,
	CPU,
	MEMORY_BYTES,
	N_SERIES,
};

static const char *const names[N_SERIES] = { "sent_bps", "received_bps", "cpu", "memory_bytes" };

/* NAN: nothing was known in that second. */
struct peer_values {
	uint64_t id;
	uint64_t last; /* second */
	float rtt_ms[VALUES], loss[VALUES];
};

struct summary {
	uint64_t n; /* seconds taken; value i is at i % VALUES */
	int64_t newest_unix_s;
	uint64_t last_us, bytes_out, bytes_in;
	double cpu_s;
	double values[N_SERIES][VALUES];
	size_t n_peers;
	struct peer_values *peers[PEERS_MAX];
};

/* ---- once a second ---- */

/* Of a neighbour not seen for ten minutes nothing is left to show. */
static struct peer_values *oldest(const struct summary *s)
{
	struct peer_values *p = NULL;

	for (size_t i = 0; i < s->n_peers; i++)
		if (!p || s->peers[i]->last < p->last)
			p = s->peers[i];
	return p && p->last + VALUES < s->n ? p : NULL;
}

static struct peer_values *peer_of(struct summary *s, uint64_t id)
{
	struct peer_values *p;

	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i]->id == id)
			return s->peers[i];
	p = oldest(s);
	if (!p && s->n_peers < PEERS_MAX) {
		p = malloc(sizeof(*p));
		if (p)
			s->peers[s->n_peers++] = p;
	}
	if (!p)
		return NULL;
	p->id = id;
	for (size_t i = 0; i < VALUES; i++)
		p->rtt_ms[i] = p->loss[i] = NAN;
	return p;
}

static void take_peers(struct daemon *d, uint64_t now_us)
{
	struct summary *s = d->summary;
	size_t at = s->n % VALUES, cursor = 0;
	struct node_peer_view v;

	for (size_t i = 0; i < s->n_peers; i++)
		s->peers[i]->rtt_ms[at] = s->peers[i]->loss[at] = NAN;
	while (node_next_peer(d->node, &cursor, now_us, &v)) {
		struct peer_values *p = v.is_neighbour ? peer_of(s, v.node_id) : NULL;

		if (!p)
			continue;
		p->last = s->n;
		if (v.state == LINK_DOWN)
			continue;
		p->rtt_ms[at] = (float)v.quality.rtt_us / 1000;
		p->loss[at] = (float)v.quality.loss_ppm / 1e6F;
	}
}

static void take_counters(struct daemon *d, uint64_t now_us)
{
	struct summary *s = d->summary;
	double passed_s = (double)(now_us - s->last_us) / 1e6;
	size_t at = s->n % VALUES;
	struct tun_counters tun = { 0 };
	struct udp_counters udp = { 0 };
	struct node_counters c;
	struct host_process process;
	bool is_first = s->last_us == 0 || passed_s <= 0;

	host_process(&process);
	node_counters(d->node, &c);
	threads_counters(d->threads, &c, &tun, &udp);
	s->values[SENT_BPS][at] =
		is_first ? NAN : (double)(c.bytes_out - s->bytes_out) * 8 / passed_s;
	s->values[RECEIVED_BPS][at] =
		is_first ? NAN : (double)(c.bytes_in - s->bytes_in) * 8 / passed_s;
	s->values[CPU][at] = is_first ? NAN : (process.cpu_s - s->cpu_s) / passed_s;
	s->values[MEMORY_BYTES][at] = process.resident_bytes;
	s->bytes_out = c.bytes_out;
	s->bytes_in = c.bytes_in;
	s->cpu_s = process.cpu_s;
	s->last_us = now_us;
}

void summary_tick(struct daemon *d)
{
	uint64_t now_us = loop_now_us();

	if (!d->api)
		return;
	if (!d->summary)
		d->summary = calloc(1, sizeof(*d->summary));
	if (!d->summary)
		return;
	take_peers(d, now_us);
	take_counters(d, now_us);
	d->summary->newest_unix_s = daemon_unix_ms(d) / 1000;
	d->summary->n++;
}

void summary_end(struct daemon *d)
{
	struct summary *s = d->summary;

	for (size_t i = 0; s && i < s->n_peers; i++)
		free(s->peers[i]);
	free(s);
	d->summary = NULL;
}

/* ---- asked for ---- */

static void append(json_t *list, double v, bool is_whole)
{
	json_t *j = isnan(v)   ? json_null()
		    : is_whole ? json_integer((json_int_t)(v + 0.5))
			       : json_real(v);

	(void)json_array_append_new(list, j);
}

static json_t *series_json(const struct summary *s, enum series which, size_t n)
{
	json_t *list = json_array();

	for (uint64_t i = s->n - n; i < s->n; i++)
		append(list, s->values[which][i % VALUES], which != CPU);
	return list;
}

static json_t *peers_json(const struct summary *s, bool is_loss, size_t n)
{
	json_t *all = json_object();
	char id[17];

	for (size_t k = 0; k < s->n_peers; k++) {
		const struct peer_values *p = s->peers[k];
		json_t *list = json_array();

		if (p->last + n < s->n) {
			json_decref(list);
			continue;
		}
		for (uint64_t i = s->n - n; i < s->n; i++)
			append(list,
			       (double)(is_loss ? p->loss[i % VALUES] : p->rtt_ms[i % VALUES]),
			       false);
		node_id_text(p->id, id);
		(void)json_object_set_new(all, id, list);
	}
	return all;
}

void summary_answer(struct daemon *d, uint64_t request, const json_t *args)
{
	const struct summary *s = d->summary;
	const json_t *seconds = json_object_get(args, "seconds");
	size_t n = seconds ? (size_t)json_integer_value(seconds) : VALUES;
	json_t *series = json_object();

	if (!s) {
		json_decref(series);
		(void)answer_error(d, request, "failed", "nothing is kept where the API is off");
		return;
	}
	n = min_u64(n, min_u64(s->n, VALUES));
	for (unsigned i = 0; i < N_SERIES; i++)
		(void)json_object_set_new(series, names[i], series_json(s, (enum series)i, n));
	(void)json_object_set_new(series, "rtt_ms", peers_json(s, false, n));
	(void)json_object_set_new(series, "loss", peers_json(s, true, n));
	(void)answer_result(d, request,
			    json_pack("{s:i, s:I, s:o}", "interval_s", 1, "newest",
				      (json_int_t)s->newest_unix_s, "series", series));
}
