/* SPDX-License-Identifier: Apache-2.0 */
/* evidence.h - whether what is lost on a way is more than its links may lose, as soon as it is
 * sure.
 *
 * Two cumulative sums of log likelihood ratios (Page 1954): of packets, whose fate the destination
 * counts, and of probes, which are lost both ways. Each adds what speaks for a loss of a tenth
 * beyond the usual against the usual, and never falls below 0: so a fault is not weighed against
 * all that was well before it, and chance alone is followed by forgetting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EVIDENCE_USUAL 0.0125 /* loss of one link, each way, that is nobody's fault */
#define EVIDENCE_MORE 0.10    /* beyond the usual: what is looked for */
/* Sums that say so; a packet that is lost is some 1.6, one that arrives -0.1. Chosen by
 * test_evidence: on links that lose a hundredth chance takes longer than 1,000 hours. */
#define EVIDENCE_PACKETS_SURE 14.0
#define EVIDENCE_PROBES_SURE 10.0
#define EVIDENCE_SUSPECT 0.3 /* it is worth asking more often: a lost probe, and seven after it */
/* What a moment adds at most: four different ones are needed, so that a short outage, however much
 * was sent meanwhile, is none. */
#define EVIDENCE_MOMENT_MAX (EVIDENCE_PACKETS_SURE / 4)
/* Of bulk, which may lose its own packets in bursts that no probe meets, as much as this is
 * evidence; for more a probe must have been lost too, lately. */
#define EVIDENCE_BULK_ALONE (0.9 * EVIDENCE_PACKETS_SURE)
#define EVIDENCE_KEPT_MAX 2 /* times what is sure: after that much longer it is well again */

/* All zeros is nothing known. */
struct evidence {
	double packets, probes;		 /* sums */
	uint32_t n_sent, n_lost;	 /* packets since their sum was 0 */
	uint32_t n_probes, n_unanswered; /* likewise */
};

/* Between two answers so many packets went, and so many of them did not arrive: less than 0 where
 * some arrived that were given up before. hops: links to the destination, 0 unknown. */
void evidence_packets(struct evidence *e, unsigned n_hops, uint32_t n_sent, int64_t n_lost,
		      bool is_bulk);
void evidence_probe(struct evidence *e, unsigned n_hops, bool is_lost);

/* The last one that was lost was answered after all. */
void evidence_late(struct evidence *e, unsigned n_hops);

bool evidence_is_suspect(const struct evidence *e);
bool evidence_is_sure(const struct evidence *e);
double evidence_sureness(const struct evidence *e); /* from 1 on it is sure */
