/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours that witness each other's ledgers, over whole nodes: logs that grow, and logs that
 * lie. What a witness remembers is kept as the bytes that a disk would have. */
#include "fixture.h"

#include "core/cosign/cosign.h"

#define N 4
#define LEAVES_MAX 64
#define STEP_US MS(100)

struct kept {
	char origin[NOTE_NAME_MAX + 1];
	uint8_t bytes[4][COSIGN_RECORD_MAX]; /* latest, rumour, two of evidence */
	size_t len[4];
};

/* A node's log, and what it keeps of others'. */
static struct host {
	struct ledger_keys keys;
	struct note_key public[2];
	struct merkle_hash leaves[2][LEAVES_MAX]; /* two stories */
	uint64_t size;
	unsigned story_for[N]; /* which one each other node is told */
	int64_t more_for[N];   /* how much longer or shorter its log is for it */
	struct cosign_desk desk;
	struct kept kept[N];
	unsigned n_incidents, n_signed, n_refused;
	enum cosign_refusal why;
	char accused[NOTE_NAME_MAX + 1];
	uint64_t had_size, now_size;
} hosts[N];

static bool is_joined[N][N];
static const struct crypto_ops *ops;
static const struct note_crypto *crypto;
static struct sim *s;

static void fill_sevens(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static const struct entropy entropy = { .fill = fill_sevens };

static size_t number_of(uint64_t id)
{
	for (size_t i = 0; i < N; i++)
		if (sim_id(s, i) == id)
			return i;
	return N;
}

/* ---- the log ---- */

static int node_of(void *user, unsigned height, uint64_t n, struct merkle_hash *ret)
{
	const struct merkle_hash *leaves = user;
	struct merkle_frontier f = { 0 };

	for (uint64_t i = n << height; i < (n + 1) << height; i++)
		merkle_append(ops, &f, &leaves[i], NULL, NULL);
	merkle_root(ops, &f, ret);
	return 0;
}

static struct span note_for(size_t i, size_t other, uint8_t *room)
{
	struct host *h = &hosts[i];
	struct checkpoint c = { .size = (uint64_t)((int64_t)h->size + h->more_for[other]) };
	struct merkle_frontier f = { 0 };
	struct writer w = writer_of(room, CHECKPOINT_SIGNED_MAX);

	memcpy(c.origin, h->keys.name, sizeof(c.origin));
	for (uint64_t k = 0; k < c.size; k++)
		merkle_append(ops, &f, &h->leaves[h->story_for[other]][k], NULL, NULL);
	merkle_root(ops, &f, &c.root);
	assert_int_equal(checkpoint_sign(ops, crypto, &h->keys, &c, 1763766000, &entropy, &w), 0);
	return SPAN(room, w.len);
}

static void offer(size_t i, const struct cosign_peer *p)
{
	size_t other = number_of(p->id);
	struct host *h = &hosts[i];
	struct merkle_source source = { .node = node_of, .user = h->leaves[h->story_for[other]] };
	uint64_t size = (uint64_t)((int64_t)h->size + h->more_for[other]);
	uint8_t room[CHECKPOINT_SIGNED_MAX], bytes[COSIGN_MESSAGE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n = 0;

	if (p->from_size > 0 && p->from_size < size)
		assert_int_equal(
			merkle_consistency_proof(ops, &source, p->from_size, size, proof, &n), 0);
	cosign_write_offer(&w, h->public, note_for(i, other, room), p->from_size, proof, n);
	assert_false(w.overrun);
	(void)node_cosign_send(sim_node(s, i), p->id, SPAN(bytes, w.len), sim_node_us(s, i));
}

/* ---- the witness ---- */

static struct kept *kept_of(struct host *h, const char *origin, bool make)
{
	for (size_t i = 0; i < N; i++) {
		if (h->kept[i].origin[0] == '\0' && make)
			(void)snprintf(h->kept[i].origin, sizeof(h->kept[i].origin), "%s", origin);
		if (strcmp(h->kept[i].origin, origin) == 0)
			return &h->kept[i];
	}
	return NULL;
}

static int load(void *user, const char *origin, struct cosign_log *ret)
{
	const struct kept *k = kept_of(user, origin, false);

	return k ? cosign_log_decode(ops, crypto,
				     (const struct span[4]){ SPAN(k->bytes[0], k->len[0]),
							     SPAN(k->bytes[1], k->len[1]),
							     SPAN(k->bytes[2], k->len[2]),
							     SPAN(k->bytes[3], k->len[3]) },
				     ret)
		 : 0;
}

static void keep_one(struct kept *k, enum cosign_record which, const struct cosign_log *l)
{
	struct writer w = writer_of(k->bytes[which], COSIGN_RECORD_MAX);

	cosign_log_encode(l, which, &w);
	k->len[which] = w.len;
}

static int keep(void *user, const char *origin, const struct cosign_log *l, unsigned parts)
{
	struct kept *k = kept_of(user, origin, true);

	if (parts & COSIGN_KEEP_LATEST)
		keep_one(k, COSIGN_LATEST, l);
	if (parts & COSIGN_KEEP_RUMOUR)
		keep_one(k, COSIGN_RUMOUR, l);
	if (parts & COSIGN_KEEP_EVIDENCE) {
		keep_one(k, COSIGN_EVIDENCE_1, l);
		keep_one(k, COSIGN_EVIDENCE_2, l);
	}
	return 0;
}

static void tell_another(size_t i, const char *about, uint64_t except)
{
	struct host *h = &hosts[i];
	struct cosign_log *l = calloc(1, sizeof(*l));
	uint64_t to = cosign_desk_tell(&h->desk, except);
	uint8_t bytes[COSIGN_MESSAGE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	assert_non_null(l);
	assert_int_equal(load(h, about, l), 0);
	cosign_write_seen(&w, l);
	free(l);
	if (to != 0)
		(void)node_cosign_send(sim_node(s, i), to, SPAN(bytes, w.len), sim_node_us(s, i));
}

static void judge(size_t i, uint64_t from, const char *origin, const struct cosign_message *m)
{
	struct host *h = &hosts[i];
	const struct cosign_signer me = { ops, crypto, &entropy, &h->keys };
	const struct cosign_store store = { load, keep, h };
	struct cosign_answer *a = calloc(1, sizeof(*a));
	int r;

	assert_non_null(a);
	r = cosign_answer(&me, &store, origin, m, 1763766001, a);
	if (r == 0 && a->is_incident) {
		h->n_incidents++;
		h->had_size = a->had_size;
		h->now_size = a->now_size;
		memcpy(h->accused, a->about, sizeof(h->accused));
	}
	for (size_t k = 0; r == 0 && a->has_reply && k < N; k++)
		if (strcmp(hosts[k].keys.name, a->to) == 0)
			(void)node_cosign_send(sim_node(s, i), sim_id(s, k), SPAN(a->bytes, a->len),
					       sim_node_us(s, i));
	if (r == 0 && a->is_newer)
		tell_another(i, a->about, from);
	free(a);
}

static void take(size_t i, uint64_t from, const char *origin, const struct cosign_message *m)
{
	struct host *h = &hosts[i];
	uint8_t room[CHECKPOINT_SIGNED_MAX], record[COSIGN_RECORD_MAX];
	struct writer w = writer_of(record, sizeof(record));
	struct span note = note_for(i, number_of(from), room);
	char witness[NOTE_NAME_MAX + 1];
	struct checkpoint c;
	uint64_t unix_s = 0;

	if (m->type == COSIGN_SIGNED) {
		assert_int_equal(cosign_take(ops, crypto, h->public, note, origin, m, &unix_s, &w),
				 0);
		assert_int_equal(cosign_record_verify(ops, crypto, h->public, SPAN(record, w.len),
						      &c, witness, &unix_s),
				 0);
		assert_string_equal(witness, origin);
		h->n_signed++;
	}
	h->n_refused += m->type == COSIGN_REFUSED;
	if (m->type == COSIGN_REFUSED)
		h->why = m->why;
	cosign_desk_answered(&h->desk, from, m, unix_s, sim_node_us(s, i));
}

static void on_act(void *arg, struct node *node, size_t i, const struct node_action *action)
{
	char spiffe_id[SPIFFE_ID_SIZE];
	uint8_t *bytes;
	uint64_t from;
	size_t len;

	(void)arg;
	if (action->type != NODE_COSIGN)
		return;
	while (node_cosign_next(node, &from, spiffe_id, &bytes, &len)) {
		const char *origin = spiffe_id + strlen("spiffe://");
		struct cosign_message m;

		assert_int_not_equal(spiffe_id[0], '\0');
		assert_int_equal(cosign_decode(SPAN(bytes, len), &m), 0);
		if (!cosign_desk_admits(&hosts[i].desk, from, sim_node_us(s, i)))
			;
		else if (m.type == COSIGN_OFFER || m.type == COSIGN_SEEN)
			judge(i, from, origin, &m);
		else
			take(i, from, origin, &m);
		free(bytes);
	}
}

/* ---- the world ---- */

static void step(size_t i)
{
	struct host *h = &hosts[i];
	struct cosign_peer p;

	if (!sim_is_running(s, i))
		return;
	for (size_t k = 0; k < N; k++)
		if (is_joined[i][k])
			cosign_desk_link(&h->desk, sim_id(s, k), true, sim_node_us(s, i));
	h->desk.size = h->size;
	while (cosign_desk_next(&h->desk, sim_node_us(s, i), &p))
		offer(i, &p);
	sim_poke(s, i);
}

static void run_witnesses(uint64_t for_us)
{
	for (uint64_t end = sim_now_us(s) + for_us; sim_now_us(s) < end;) {
		for (size_t i = 0; i < N; i++)
			step(i);
		run(s, STEP_US);
	}
}

static void join(size_t a, size_t b)
{
	is_joined[a][b] = is_joined[b][a] = true;
	(void)sim_link(s, a, b, &lan, true);
}

static int begin(void **state)
{
	(void)state;
	memset(hosts, 0, sizeof(hosts));
	memset(is_joined, 0, sizeof(is_joined));
	act = on_act;
	ops = openssl_crypto_ops(NULL);
	crypto = openssl_note_crypto();
	s = make_sim(N, true);
	for (size_t i = 0; i < N; i++) {
		struct host *h = &hosts[i];

		(void)snprintf(h->keys.name, sizeof(h->keys.name), "sim.test/node/n%zu", i);
		memset(h->keys.ed25519, (int)(2 * i + 1), sizeof(h->keys.ed25519));
		memset(h->keys.mldsa44, (int)(2 * i + 2), sizeof(h->keys.mldsa44));
		assert_int_equal(ledger_keys_public(ops, crypto, &h->keys, h->public), 0);
		for (uint8_t k = 0; k < LEAVES_MAX; k++) {
			uint8_t leaf[2] = { (uint8_t)i, k };

			merkle_leaf_hash(ops, SPAN_OF(leaf), &h->leaves[0][k]);
			leaf[1] |= k >= 5 ? 0x80 : 0; /* the other story is another from there */
			merkle_leaf_hash(ops, SPAN_OF(leaf), &h->leaves[1][k]);
		}
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	sim_free(s);
	act = NULL;
	return 0;
}

static void two_nodes_cosign_each_others_checkpoints(void **state)
{
	(void)state;
	join(0, 1);
	boot_all(s, 2);
	run(s, SECONDS(2));
	hosts[0].size = 3;
	hosts[1].size = 7;
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].n_signed, 1);
	assert_int_equal(hosts[1].n_signed, 1);
	hosts[0].size = 20;
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].n_signed, 2);
	assert_int_equal(hosts[0].desk.peers[0].signed_size, 20);
	assert_int_equal(hosts[0].n_incidents + hosts[1].n_incidents, 0);
}

static void nobody_forgets_by_a_restart(void **state)
{
	(void)state;
	join(0, 1);
	boot_all(s, 2);
	run(s, SECONDS(2));
	hosts[0].size = 12;
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].n_signed, 1);
	sim_crash(s, 0);
	sim_crash(s, 1);
	memset(&hosts[0].desk, 0, sizeof(hosts[0].desk)); /* the log knows nothing, and is told */
	memset(&hosts[1].desk, 0, sizeof(hosts[1].desk));
	run(s, SECONDS(1));
	boot_all(s, 2);
	run(s, SECONDS(2));
	hosts[0].size = 13;
	run_witnesses(SECONDS(35)); /* the first one may have found no link */
	assert_int_equal(hosts[0].n_signed, 2);
	assert_int_equal(hosts[1].n_incidents, 0);
	hosts[0].story_for[1] = 1; /* and now another history */
	hosts[0].size = 14;
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].n_signed, 2);
	assert_int_equal(hosts[0].why, COSIGN_UNPROVEN);
	assert_int_equal(hosts[1].n_incidents, 1);
}

static void two_roots_of_one_size_end_all_trust(void **state)
{
	(void)state;
	join(0, 1);
	boot_all(s, 2);
	run(s, SECONDS(2));
	hosts[0].size = 12;
	run_witnesses(SECONDS(2));
	hosts[0].story_for[1] = 1;
	hosts[0].desk.peers[0].signed_size = 0; /* it asks once more */
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].why, COSIGN_SPLIT);
	assert_int_equal(hosts[1].n_incidents, 1);
	assert_string_equal(hosts[1].accused, hosts[0].keys.name);
	hosts[0].story_for[1] = 0;
	hosts[0].size = 15;
	run_witnesses(SECONDS(601));
	assert_int_equal(hosts[0].n_signed, 1);
	assert_int_equal(hosts[1].n_incidents, 1); /* told once */
}

static void a_log_that_became_shorter_is_refused(void **state)
{
	(void)state;
	join(0, 1);
	boot_all(s, 2);
	run(s, SECONDS(2));
	hosts[0].size = 12;
	run_witnesses(SECONDS(2));
	hosts[0].size = 9;
	hosts[0].desk.peers[0].signed_size = 0;
	run_witnesses(SECONDS(2));
	assert_int_equal(hosts[0].why, COSIGN_SHORTER);
	assert_int_equal(hosts[1].n_incidents, 1);
	assert_int_equal(hosts[1].had_size, 12);
	assert_int_equal(hosts[1].now_size, 9);
}

/* 1 and 2 are each told a story that fits itself, and never two roots of one size. */
static void split_view(int64_t more)
{
	join(0, 1);
	join(0, 2);
	join(1, 2);
	boot_all(s, 3);
	run(s, SECONDS(2));
	hosts[0].story_for[2] = 1;
	hosts[0].more_for[2] = more;
	for (unsigned i = 0; i < 6 && hosts[1].n_incidents + hosts[2].n_incidents == 0; i++) {
		hosts[0].size += 7;
		run_witnesses(SECONDS(61));
	}
	assert_true(hosts[1].n_incidents + hosts[2].n_incidents > 0);
	assert_string_equal(hosts[hosts[1].n_incidents > 0 ? 1 : 2].accused, hosts[0].keys.name);
}

static void who_is_told_another_story_than_his_neighbour_finds_out(void **state)
{
	(void)state;
	split_view(0);
}

static void also_where_the_two_stories_never_have_one_size(void **state)
{
	(void)state;
	split_view(2);
}

static void an_honest_log_is_never_accused_whoever_tells_of_it(void **state)
{
	(void)state;
	for (size_t a = 0; a < N; a++)
		for (size_t b = a + 1; b < N; b++)
			join(a, b);
	boot_all(s, N);
	run(s, SECONDS(2));
	for (unsigned i = 0; i < 8; i++) {
		for (size_t k = 0; k < N; k++)
			hosts[k].size += (i + k) % 4;
		run_witnesses(SECONDS(30));
	}
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(hosts[i].n_incidents, 0);
		assert_int_equal(hosts[i].n_refused, 0);
		for (size_t k = 0; k < hosts[i].desk.n_peers; k++)
			assert_int_equal(hosts[i].desk.peers[k].signed_size, hosts[i].size);
	}
}

static void what_nobody_takes_is_bounded_and_what_is_too_long_is_refused(void **state)
{
	static const uint8_t bytes[NODE_COSIGN_LEN_MAX + 1] = { 1 };
	char spiffe_id[SPIFFE_ID_SIZE];
	struct node *from, *to;
	uint64_t malformed;
	uint8_t *got;
	uint64_t id;
	size_t len, n = 0;

	(void)state;
	sim_free(s);
	act = NULL; /* the shell does nothing */
	s = make_sim(N, true);
	join(0, 1);
	boot_all(s, 2);
	run(s, SECONDS(2));
	from = sim_node(s, 0);
	to = sim_node(s, 1);
	assert_int_equal(node_cosign_send(from, sim_id(s, 2), SPAN(bytes, 9), sim_node_us(s, 0)),
			 -ENETUNREACH);
	assert_int_equal(node_cosign_send(from, sim_id(s, 1), SPAN_OF(bytes), sim_node_us(s, 0)),
			 -EMSGSIZE);
	for (unsigned i = 0; i < NODE_COSIGNS_MAX + 4; i++) {
		assert_int_equal(node_cosign_send(from, sim_id(s, 1),
						  SPAN(bytes, NODE_COSIGN_LEN_MAX),
						  sim_node_us(s, 0)),
				 0);
		sim_poke(s, 0);
		run(s, MS(200));
	}
	malformed = to->counters.malformed;
	assert_int_equal(control_push_blob(from, peer_get(from, sim_id(s, 1))->direct,
					   RECORD_COSIGN, SPAN_OF(bytes)),
			 0);
	run(s, SECONDS(1));
	assert_true(to->counters.malformed > malformed);
	while (node_cosign_next(to, &id, spiffe_id, &got, &len)) {
		assert_int_equal(id, sim_id(s, 0));
		assert_int_equal(len, NODE_COSIGN_LEN_MAX);
		free(got);
		n++;
	}
	assert_int_equal(n, NODE_COSIGNS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
		TEST(two_nodes_cosign_each_others_checkpoints),
		TEST(nobody_forgets_by_a_restart),
		TEST(two_roots_of_one_size_end_all_trust),
		TEST(a_log_that_became_shorter_is_refused),
		TEST(who_is_told_another_story_than_his_neighbour_finds_out),
		TEST(also_where_the_two_stories_never_have_one_size),
		TEST(an_honest_log_is_never_accused_whoever_tells_of_it),
		TEST(what_nobody_takes_is_bounded_and_what_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
