/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of what speaks for a way that loses more than its links. */
#include "core/watch/evidence.h"

#include <math.h>

#define HOPS_MIN 2 /* who is one hop away is not watched */
#define HOPS_MAX 16

static double usual_of(unsigned n_hops, unsigned n_times)
{
	unsigned n = n_hops < HOPS_MIN ? HOPS_MIN : n_hops < HOPS_MAX ? n_hops : HOPS_MAX;

	return EVIDENCE_USUAL * n * n_times;
}

static double ratio(double usual, double n_sent, double n_lost)
{
	double more = usual + EVIDENCE_MORE;

	return n_lost * log(more / usual) + (n_sent - n_lost) * log((1 - more) / (1 - usual));
}

static double within(double sum, double sure)
{
	return fmin(fmax(sum, 0), sure * EVIDENCE_KEPT_MAX);
}

void evidence_packets(struct evidence *e, unsigned n_hops, uint32_t n_sent, int64_t n_lost,
		      bool is_bulk)
{
	double lost, more, most = EVIDENCE_PACKETS_SURE * EVIDENCE_KEPT_MAX;

	if (n_sent == 0)
		return;
	/* what the other end says is bounded by what was sent */
	lost = fmin(fmax((double)n_lost, -(double)n_sent), (double)n_sent);
	more = fmin(ratio(usual_of(n_hops, 1), n_sent, lost), EVIDENCE_MOMENT_MAX);
	if (e->packets <= 0)
		e->n_sent = e->n_lost = 0;
	if (is_bulk && e->probes < EVIDENCE_SUSPECT)
		most = fmax(e->packets, EVIDENCE_BULK_ALONE);
	e->packets = fmin(fmax(e->packets + more, 0), most);
	e->n_sent += n_sent;
	lost = fmax((double)e->n_lost + lost, 0);
	e->n_lost = (uint32_t)fmin(lost, e->n_sent);
}

void evidence_probe(struct evidence *e, unsigned n_hops, bool is_lost)
{
	if (e->probes <= 0)
		e->n_probes = e->n_unanswered = 0;
	e->probes =
		within(e->probes + ratio(usual_of(n_hops, 2), 1, is_lost), EVIDENCE_PROBES_SURE);
	e->n_probes++;
	e->n_unanswered += is_lost;
}

void evidence_late(struct evidence *e, unsigned n_hops)
{
	double usual = usual_of(n_hops, 2);

	e->probes =
		within(e->probes - ratio(usual, 1, 1) + ratio(usual, 1, 0), EVIDENCE_PROBES_SURE);
	e->n_unanswered -= e->n_unanswered > 0;
}

bool evidence_is_suspect(const struct evidence *e)
{
	return e->packets >= EVIDENCE_SUSPECT || e->probes >= EVIDENCE_SUSPECT;
}

double evidence_sureness(const struct evidence *e)
{
	return fmax(e->packets / EVIDENCE_PACKETS_SURE, e->probes / EVIDENCE_PROBES_SURE);
}

bool evidence_is_sure(const struct evidence *e)
{
	return evidence_sureness(e) >= 1;
}
