/* SPDX-License-Identifier: Apache-2.0 */
/* Keys for packet threads: made by the session's owner, used by threads, counted by both. */
#include "core/session/share.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/session/state.h"

/* A counter that one thread writes: no locked instruction is needed. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- made and freed ---- */

static void free_share(struct share *s)
{
	for (unsigned use = 0; use < SESSION_N_USES; use++) {
		for (unsigned i = 0; i < s->n_threads; i++) {
			if (s->threads[i].seal[use])
				s->ops->aead_free(s->threads[i].seal[use]);
			if (s->threads[i].open[use])
				s->ops->aead_free(s->threads[i].open[use]);
		}
		for (unsigned i = 0; i < s->n_inlets; i++)
			free(s->inlets[i].windows[use]);
	}
	bytes_wipe(s->send_iv, sizeof(s->send_iv));
	bytes_wipe(s->receive_iv, sizeof(s->receive_iv));
	free(s);
}

struct share *share_ref(struct share *s)
{
	s->references++;
	return s;
}

void share_unref(struct share *s)
{
	if (s && --s->references == 0)
		free_share(s);
}

/* It comes before the table without it does, which may take a while or fail for want of memory. */
void share_end(struct share *s)
{
	if (s)
		atomic_store_explicit(&s->is_over, true, memory_order_relaxed);
}

static bool is_over(const struct share *s)
{
	return atomic_load_explicit(&s->is_over, memory_order_relaxed);
}

/* A context for each thread out of the root of the epoch. */
static int make_contexts(struct share *s, const struct session *of,
			 const uint8_t root[SESSION_ROOT_LEN])
{
	uint8_t key[AEAD_KEY_LEN];
	bool is_made = true;

	for (enum session_use use = 0; use < SESSION_N_USES; use++) {
		epoch_derive_key(s->ops, root, use, of->is_initiator, key, s->send_iv[use]);
		for (unsigned i = 0; i < s->n_threads; i++) {
			s->threads[i].seal[use] = s->ops->aead_new(of->aead, key);
			is_made = is_made && s->threads[i].seal[use];
		}
		epoch_derive_key(s->ops, root, use, !of->is_initiator, key, s->receive_iv[use]);
		for (unsigned i = 0; i < s->n_threads; i++) {
			s->threads[i].open[use] = s->ops->aead_new(of->aead, key);
			is_made = is_made && s->threads[i].open[use];
		}
	}
	bytes_wipe(key, sizeof(key));
	return is_made ? 0 : -ENOMEM;
}

/* The windows become the share's: what the owner opened in those lanes is in them already. */
static int take_windows(struct share *s, struct epoch *e)
{
	for (enum session_use use = 0; use < SESSION_N_USES; use++) {
		for (unsigned i = 0; i < s->n_inlets; i++) {
			struct window **w = &e->receive[use].windows[s->first_lane + i];

			if (!*w)
				*w = calloc(1, sizeof(**w));
			if (!*w)
				return -ENOMEM; /* those made meanwhile are the epoch's */
		}
	}
	for (enum session_use use = 0; use < SESSION_N_USES; use++)
		for (unsigned i = 0; i < s->n_inlets; i++)
			s->inlets[i].windows[use] = e->receive[use].windows[s->first_lane + i];
	for (unsigned i = 0; i < s->n_inlets; i++)
		s->inlets[i].told_next = read_counter(&s->inlets[i].windows[SESSION_LINK]->next);
	return 0;
}

/* What the threads send meanwhile under the old keys has numbers that come again: as late ones. */
static void go_on(struct share *s, const struct share *before)
{
	for (unsigned i = 0; before && i < s->n_threads; i++)
		s->threads[i].link_base =
			(uint16_t)(before->threads[i].link_base +
				   read_counter(&before->threads[i].next[SESSION_LINK]));
}

static bool may_share(const struct session *s, const struct epoch *e)
{
	uint64_t half = s->config.limits.gcm_packets / 2;

	for (unsigned use = 0; use < SESSION_N_USES; use++)
		if (e->send[use].is_large || !e->receive[use].aead ||
		    (s->aead == AEAD_AES_256_GCM && e->send[use].packets > half))
			return false;
	return true;
}

static int make(struct session *s, struct epoch *e, const uint8_t root[SESSION_ROOT_LEN])
{
	struct share *share = aligned_alloc(64, sizeof(*share));
	int r;

	if (!share)
		return -ENOMEM;
	memset(share, 0, sizeof(*share));
	share->references = 1;
	share->ops = s->config.ops;
	share->local_index = e->local_index;
	share->remote_index = e->remote_index;
	share->send_until_us = min_u64(e->began_us + s->config.limits.send_until_us, s->ends_us);
	share->open_until_us = min_u64(e->began_us + s->config.limits.refuse_after_us, s->ends_us);
	share->first_lane = (uint8_t)s->config.first_thread_lane;
	share->n_threads = s->config.n_threads;
	if (s->lanes_peer > share->first_lane)
		share->n_inlets =
			(unsigned)min_u64(s->lanes_peer - share->first_lane, SHARE_THREADS_MAX);
	share->quota = s->aead == AEAD_AES_256_GCM ? s->config.limits.gcm_packets / SHARE_PART
						   : SEQUENCE_MAX;
	r = make_contexts(share, s, root);
	if (r == 0)
		r = take_windows(share, e);
	if (r < 0) {
		free_share(share);
		return r;
	}
	for (unsigned use = 0; use < SESSION_N_USES; use++)
		if (s->aead == AEAD_AES_256_GCM)
			e->send[use].set_aside = share->quota * share->n_threads;
	e->share = share;
	return 0;
}

/* Of the current epoch, once the session may send under it. */
static struct share *share_current(struct session *s)
{
	struct share *share;

	if (!s->cur->may_send)
		return NULL;
	if (!s->cur->share && may_share(s, s->cur))
		(void)make(s, s->cur, s->root);
	share = s->cur->share;
	if (!share || is_over(share))
		return NULL;
	if (!share->is_sending)
		go_on(share, s->old ? s->old->share : NULL);
	share->is_sending = true;
	return share_ref(share);
}

bool session_share(struct session *s, uint64_t now_us, struct share **ret_current,
		   struct share **ret_other)
{
	*ret_current = *ret_other = NULL;
	if (s->config.n_threads == 0 || !s->cur || now_us >= s->ends_us)
		return false;
	*ret_current = share_current(s);
	/* Never both: the old one goes before the next is prepared. */
	if (s->next && !s->next->share && may_share(s, s->next))
		(void)make(s, s->next, s->answer->next_root);
	if (s->next && s->next->share)
		*ret_other = share_ref(s->next->share);
	else if (s->old && s->old->share && !is_over(s->old->share) && now_us < s->old_until_us)
		*ret_other = share_ref(s->old->share);
	return *ret_current || *ret_other;
}

/* ---- threads ---- */

int share_reserve(struct share *s, unsigned thread, enum session_use use, uint64_t now_us,
		  struct session_ticket *ret)
{
	struct share_thread *t = &s->threads[thread];
	uint64_t sequence = read_counter(&t->next[use]);

	if (now_us >= s->send_until_us || sequence >= s->quota || is_over(s))
		return -EAGAIN;
	atomic_store_explicit(&t->next[use], sequence + 1, memory_order_relaxed);
	*ret = (struct session_ticket){
		.remote_index = s->remote_index,
		.lane = (uint8_t)(s->first_lane + thread),
		.sequence = sequence,
		.aead = t->seal[use],
	};
	epoch_nonce(s->send_iv[use], ret->lane, sequence, ret->nonce);
	return 0;
}

void share_sent(struct share *s, unsigned thread, size_t len, bool is_long)
{
	add(&s->threads[thread].sent_bytes, len);
	if (is_long)
		atomic_store_explicit(&s->threads[thread].has_sent_long, true,
				      memory_order_relaxed);
}

enum session_verdict share_open(struct share *s, unsigned thread, enum session_use use,
				uint8_t lane, uint64_t sequence, struct span ad, struct span text,
				uint8_t *ret, bool *ret_is_newest, uint64_t now_us)
{
	struct share_thread *t = &s->threads[thread];
	uint8_t nonce[AEAD_NONCE_LEN];
	struct share_inlet *in;
	int r;

	if (!share_has_lane(s, lane) || sequence > SEQUENCE_MAX || now_us >= s->open_until_us ||
	    is_over(s))
		return SESSION_UNKNOWN;
	if (text.len < AEAD_TAG_LEN)
		return SESSION_FORGED; /* no key was tried on it */
	epoch_nonce(s->receive_iv[use], lane, sequence, nonce);
	r = s->ops->aead_open(t->open[use], nonce, ad, text, ret);
	if (r == -EKEYREJECTED) {
		add(&t->forged[use], 1);
		return SESSION_FORGED;
	}
	if (r < 0)
		return SESSION_UNKNOWN;
	in = &s->inlets[lane - s->first_lane];
	if (!window_accept(in->windows[use], sequence, ret_is_newest)) {
		add(&t->replayed, 1);
		bytes_wipe(ret, text.len - AEAD_TAG_LEN);
		return SESSION_REPLAYED;
	}
	share_note_received(s, use, lane, text.len);
	return SESSION_OPENED;
}

/* Two threads may come here for one lane, where a datagram was steered elsewhere than usual. */
void share_note_received(struct share *s, enum session_use use, uint8_t lane, size_t len)
{
	struct share_inlet *in = &s->inlets[lane - s->first_lane];

	atomic_fetch_add_explicit(&in->received[use], 1, memory_order_relaxed);
	if (use == SESSION_LINK)
		atomic_fetch_add_explicit(&in->received_bytes, len, memory_order_relaxed);
}

/* ---- what threads did ---- */

uint64_t share_sealed_most(const struct share *s, enum session_use use)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < s->n_threads; i++)
		most = max_u64(most, read_counter(&s->threads[i].next[use]));
	return most;
}

uint64_t share_sealed(const struct share *s, enum session_use use)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_threads; i++)
		n += read_counter(&s->threads[i].next[use]);
	return n;
}

static uint64_t since(uint64_t *told, uint64_t is)
{
	uint64_t n = is - *told;

	*told = is;
	return n;
}

static void collect_threads(struct share *s, struct share_report *ret, uint64_t forged[])
{
	uint64_t bytes = 0, replayed = 0, all_forged[SESSION_N_USES] = { 0 };

	for (unsigned i = 0; i < s->n_threads; i++) {
		struct share_thread *t = &s->threads[i];

		bytes += read_counter(&t->sent_bytes);
		replayed += read_counter(&t->replayed);
		for (unsigned use = 0; use < SESSION_N_USES; use++)
			all_forged[use] += read_counter(&t->forged[use]);
		ret->has_sent_long |=
			atomic_exchange_explicit(&t->has_sent_long, false, memory_order_relaxed);
	}
	ret->sent += since(&s->told_sealed[SESSION_LINK], share_sealed(s, SESSION_LINK));
	ret->e2e_sent += since(&s->told_sealed[SESSION_E2E], share_sealed(s, SESSION_E2E));
	ret->sent_bytes += since(&s->told_sent_bytes, bytes);
	ret->replayed += since(&s->told_replayed, replayed);
	for (unsigned use = 0; use < SESSION_N_USES; use++)
		forged[use] = since(&s->told_forged[use], all_forged[use]);
}

static void collect_inlets(struct share *s, struct share_report *ret)
{
	for (unsigned i = 0; i < s->n_inlets; i++) {
		struct share_inlet *in = &s->inlets[i];

		/* Received is read first: a number is counted after its window moved. */
		ret->received +=
			since(&in->told_received, read_counter(&in->received[SESSION_LINK]));
		ret->e2e_received += since(&in->told_e2e, read_counter(&in->received[SESSION_E2E]));
		ret->received_bytes += since(&in->told_bytes, read_counter(&in->received_bytes));
		ret->expected +=
			since(&in->told_next, read_counter(&in->windows[SESSION_LINK]->next));
	}
}

static void collect(struct session *s, struct epoch *e, uint64_t now_us, struct share_report *ret)
{
	uint64_t forged[SESSION_N_USES] = { 0 };
	struct share_report was = *ret;

	if (!e || !e->share)
		return;
	collect_threads(e->share, ret, forged);
	collect_inlets(e->share, ret);
	for (unsigned use = 0; use < SESSION_N_USES; use++) {
		s->counters.forged += forged[use];
		ret->forged += forged[use];
		if (!forged[use] || !e->receive[use].aead ||
		    !receive_key_forged(s->config.ops, &e->receive[use], forged[use], s->aead,
					&s->config.limits))
			continue;
		share_end(e->share);
		if (e != s->old)
			session_tell_handshake(s);
	}
	if (ret->sent != was.sent || ret->received != was.received)
		session_note_use(s, e, now_us);
	s->counters.sealed += ret->sent - was.sent + ret->e2e_sent - was.e2e_sent;
	s->counters.opened += ret->received - was.received + ret->e2e_received - was.e2e_received;
	s->counters.replayed += ret->replayed - was.replayed;
	if (ret->received != was.received || ret->e2e_received != was.e2e_received)
		session_heard_under(s, e, now_us);
}

void session_collect(struct session *s, uint64_t now_us, struct share_report *ret)
{
	*ret = (struct share_report){ 0 };
	collect(s, s->old, now_us, ret);
	collect(s, s->cur, now_us, ret);
	collect(s, s->next, now_us, ret); /* last: it may become the current one by it */
}
