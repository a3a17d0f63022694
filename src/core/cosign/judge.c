/* SPDX-License-Identifier: Apache-2.0 */
/* The witness: judges what a log shows, keeps it, and only then signs it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/cosign/cosign.h"

/* One message under way. */
struct judging {
	const struct cosign_signer *me;
	const struct cosign_message *m;
	struct cosign_log *l;
	struct checkpoint shown;
	unsigned parts; /* that changed */
	struct cosign_answer *ret;
};

static bool has_keys(const struct cosign_log *l)
{
	return l->of.keys[0].name[0] != '\0';
}

static bool are_keys(const struct cosign_log *l, const struct cosign_message *m)
{
	return memcmp(l->of.keys[0].pk, m->ed25519.at, ED25519_PK_LEN) == 0 &&
	       memcmp(l->of.keys[1].pk, m->mldsa44.at, MLDSA44_PK_LEN) == 0;
}

static int set_keys(const struct crypto_ops *ops, struct cosign_log *l, const char *origin,
		    const struct cosign_message *m)
{
	int r = note_key_init(ops, origin, NOTE_ED25519, m->ed25519.at, &l->of.keys[0]);

	return r < 0 ? r
		     : note_key_init(ops, origin, NOTE_COSIGN_MLDSA44, m->mldsa44.at,
				     &l->of.keys[1]);
}

static void keep(struct witness_evidence *e, struct span note)
{
	memcpy(e->bytes, note.at, note.len);
	e->len = note.len;
}

static void reply(struct judging *j, enum cosign_type type, uint64_t size, enum cosign_refusal why)
{
	j->ret->has_reply = true;
	j->ret->reply = (struct cosign_message){ .type = type, .size = size, .why = why };
	(void)snprintf(j->ret->to, sizeof(j->ret->to), "%s", j->l->of.keys[0].name);
}

static void refuse(struct judging *j, enum cosign_refusal why)
{
	reply(j, COSIGN_REFUSED, j->shown.size, why);
}

/* Evidence that says no more than what is there already changes nothing. */
static void accuse(struct judging *j, const struct checkpoint *before, bool was_split,
		   bool was_suspect, enum cosign_refusal why)
{
	struct witness *w = &j->l->of;

	refuse(j, why);
	if (was_split || (was_suspect && !w->is_split))
		return;
	j->ret->is_incident = true;
	j->ret->had_size = before->size;
	j->ret->now_size = j->shown.size;
	j->parts |= COSIGN_KEEP_EVIDENCE;
}

/* Against another note of the same log than the latest. */
static void accuse_with(struct judging *j, const struct checkpoint *before,
			const struct witness_evidence *note, bool is_split, enum cosign_refusal why)
{
	struct witness *w = &j->l->of;
	bool was_split = w->is_split, was_suspect = w->is_suspect;

	w->is_split = was_split || is_split;
	w->is_suspect = true;
	if (!was_split && (is_split || !was_suspect)) {
		w->evidence[0] = *note;
		keep(&w->evidence[1], j->m->text);
	}
	accuse(j, before, was_split, was_suspect, why);
}

static void judge_as_witness(struct judging *j)
{
	struct witness *w = &j->l->of;
	const struct checkpoint before = w->latest;
	bool was_split = w->is_split, was_suspect = w->is_suspect;
	enum witness_verdict verdict;

	if (witness_judge(w, j->me->ops, j->me->crypto, j->m->text, j->m->proof, j->m->n_proof,
			  &verdict) < 0)
		return; /* it verified a moment ago */
	switch (verdict) {
	case WITNESS_NEWER:
		j->parts |= COSIGN_KEEP_LATEST;
		j->ret->is_newer = true;
		reply(j, COSIGN_SIGNED, j->shown.size, COSIGN_NOT_REFUSED);
		break;
	case WITNESS_SAME:
		reply(j, COSIGN_SIGNED, j->shown.size, COSIGN_NOT_REFUSED);
		break;
	case WITNESS_OLDER:
		refuse(j, COSIGN_SHORTER);
		break;
	case WITNESS_UNPROVEN:
		accuse(j, &before, was_split, was_suspect, COSIGN_UNPROVEN);
		break;
	case WITNESS_SPLIT:
		accuse(j, &before, was_split, was_suspect, COSIGN_SPLIT);
		break;
	}
}

/* What somebody else was shown must be the beginning of what is shown here. True: it is. */
static bool settle_rumour(struct judging *j)
{
	struct cosign_log *l = j->l;
	bool is_same = l->rumour.size == j->shown.size;

	if (!is_same && j->m->size != l->rumour.size) {
		reply(j, COSIGN_HAVE, l->rumour.size, COSIGN_NOT_REFUSED);
		return false;
	}
	if (is_same ? merkle_hash_equal(&l->rumour.root, &j->shown.root)
		    : merkle_verify_consistency(j->me->ops, l->rumour.size, j->shown.size,
						SPAN_OF(l->rumour.root.bytes),
						SPAN_OF(j->shown.root.bytes), j->m->proof,
						j->m->n_proof) == 0) {
		l->has_rumour = false;
		j->parts |= COSIGN_KEEP_RUMOUR;
		return true;
	}
	accuse_with(j, &l->rumour, &l->rumour_note, is_same,
		    is_same ? COSIGN_SPLIT : COSIGN_UNPROVEN);
	return false;
}

static void judge_offer(struct judging *j)
{
	struct witness *w = &j->l->of;

	if (w->is_split) {
		refuse(j, COSIGN_SPLIT); /* for good */
		return;
	}
	if (j->l->has_rumour && j->shown.size >= j->l->rumour.size && !settle_rumour(j))
		return;
	if (w->has_latest && j->shown.size < w->latest.size)
		accuse_with(j, &w->latest, &w->latest_note, false, COSIGN_SHORTER);
	else if (w->has_latest && j->shown.size > w->latest.size && j->m->size != w->latest.size)
		reply(j, COSIGN_HAVE, w->latest.size, COSIGN_NOT_REFUSED);
	else
		judge_as_witness(j);
}

/* From a third party: worth something only because the log has signed it. */
static void judge_rumour(struct judging *j)
{
	struct cosign_log *l = j->l;
	struct cosign_answer *ret = j->ret;

	if (l->of.is_split || l->has_rumour || j->shown.size == 0)
		return;
	if (j->shown.size == l->of.latest.size) {
		judge_as_witness(j);
		if (!ret->is_incident)
			ret->has_reply =
				false; /* it was told of us, and nobody asked for a signature */
		return;
	}
	l->has_rumour = true;
	l->rumour = j->shown;
	keep(&l->rumour_note, j->m->text);
	j->parts |= COSIGN_KEEP_RUMOUR;
	reply(j, COSIGN_HAVE, l->rumour.size, COSIGN_NOT_REFUSED);
}

/* ---- signing ---- */

static int write_signed(struct judging *j, uint64_t unix_s, struct writer *w)
{
	static const enum note_algorithm algorithms[] = { NOTE_COSIGN_ED25519,
							  NOTE_COSIGN_MLDSA44 };
	const struct cosign_signer *me = j->me;
	uint8_t room[COSIGN_LINES_MAX];
	struct writer lines = writer_of(room, sizeof(room));
	struct cosign_message *m = &j->ret->reply;
	struct note_key public[2];
	int r = ledger_keys_public(me->ops, me->crypto, me->keys, public);

	for (size_t i = 0; r == 0 && i < N_ELEMENTS(algorithms); i++)
		r = checkpoint_cosign(me->ops, me->crypto, me->keys, algorithms[i], &j->shown,
				      unix_s, me->entropy, &lines);
	if (r < 0)
		return r;
	m->ed25519 = SPAN(public[0].pk, ED25519_PK_LEN);
	m->mldsa44 = SPAN(public[1].pk, MLDSA44_PK_LEN);
	m->text = SPAN(room, lines.len);
	cosign_encode(m, w);
	m->ed25519 = m->mldsa44 = m->text = (struct span){ 0 };
	return w->overrun ? -ENOBUFS : 0;
}

static int finish(struct judging *j, const struct cosign_store *store, uint64_t unix_s)
{
	struct cosign_answer *ret = j->ret;
	struct writer w = writer_of(ret->bytes, sizeof(ret->bytes));
	int r = 0;

	(void)snprintf(ret->about, sizeof(ret->about), "%s", j->l->of.keys[0].name);
	if (j->parts != 0 && store->keep(store->user, ret->about, j->l, j->parts) < 0 &&
	    ret->reply.type == COSIGN_SIGNED) {
		ret->is_newer = false;
		refuse(j, COSIGN_NOT_KEPT); /* what may be forgotten is not vouched for */
	}
	if (!ret->has_reply)
		return 0;
	if (ret->reply.type == COSIGN_SIGNED)
		r = write_signed(j, unix_s, &w);
	else
		cosign_encode(&ret->reply, &w);
	ret->len = w.len;
	return r;
}

/* The log that a note is of: its first line. */
static int origin_of(struct span note, char ret[NOTE_NAME_MAX + 1])
{
	const uint8_t *end = note.len > 0 ? memchr(note.at, '\n', note.len) : NULL;
	size_t len = end ? (size_t)(end - note.at) : 0;

	if (len == 0 || len > NOTE_NAME_MAX || !note_name_is_sound(SPAN(note.at, len)))
		return -EBADMSG;
	memcpy(ret, note.at, len);
	ret[len] = '\0';
	return 0;
}

static int judge(struct judging *j, const char *origin)
{
	struct cosign_log *l = j->l;
	bool is_offer = j->m->type == COSIGN_OFFER;
	int r;

	if (!has_keys(l) && !is_offer)
		return -ENOENT; /* it is not witnessed here */
	if (!has_keys(l)) {
		r = set_keys(j->me->ops, l, origin, j->m);
		if (r < 0)
			return r;
	} else if (!are_keys(l, j->m)) {
		if (is_offer) /* else anybody could say so */
			refuse(j, COSIGN_OTHER_KEYS);
		return is_offer ? 0 : -EKEYREJECTED;
	}
	r = checkpoint_verify(j->me->crypto, j->m->text, l->of.keys, 2, &j->shown);
	if (r < 0)
		return r;
	if (is_offer)
		judge_offer(j);
	else
		judge_rumour(j);
	return 0;
}

int cosign_answer(const struct cosign_signer *me, const struct cosign_store *store,
		  const char *origin, const struct cosign_message *m, uint64_t unix_s,
		  struct cosign_answer *ret)
{
	CLEANUP_FREE struct cosign_log *l = calloc(1, sizeof(*l));
	struct judging j = { .me = me, .m = m, .l = l, .ret = ret };
	char about[NOTE_NAME_MAX + 1];
	int r;

	if (!l)
		return -ENOMEM;
	if ((m->type != COSIGN_OFFER && m->type != COSIGN_SEEN) ||
	    m->text.len > CHECKPOINT_SIGNED_MAX)
		return -EPROTO;
	r = origin_of(m->text, about);
	if (r == 0 && (m->type == COSIGN_OFFER) != (strcmp(about, origin) == 0))
		r = -EPROTO; /* it offers another's, or spreads its own */
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	r = store->load(store->user, about, l);
	if (r == -ENOBUFS && m->type == COSIGN_OFFER) {
		(void)snprintf(l->of.keys[0].name, sizeof(l->of.keys[0].name), "%s", about);
		refuse(&j, COSIGN_FULL);
		return finish(&j, store, unix_s);
	}
	if (r < 0)
		return r;
	r = judge(&j, about);
	return r < 0 ? r : finish(&j, store, unix_s);
}

void cosign_write_seen(struct writer *w, const struct cosign_log *l)
{
	struct cosign_message m = {
		.type = COSIGN_SEEN,
		.ed25519 = SPAN(l->of.keys[0].pk, ED25519_PK_LEN),
		.mldsa44 = SPAN(l->of.keys[1].pk, MLDSA44_PK_LEN),
		.text = SPAN(l->of.latest_note.bytes, l->of.latest_note.len),
	};

	cosign_encode(&m, w);
}
