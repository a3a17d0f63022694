/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side: it writes what the programs need into mapped tables, and reads what they
 * counted. No system call but mmap(), so that its filter of system calls need not allow bpf(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "shell/bpf/bpf.h"

/* The head of a record in the ring (linux/bpf.h: BPF_RINGBUF_BUSY_BIT and so on). */
#define RING_BUSY (1U << 31)
#define RING_DISCARDED (1U << 30)
#define RING_HEAD 8

struct ebpf_view {
	struct ebpf_table *table;
	struct ebpf_rules *rules; /* NULL: enforce is off. As far as it is mapped: */
	size_t rules_len;
	int fds[EBPF_N_DESCRIPTORS];
	uint8_t *consumer; /* a page: how far we have read */
	uint8_t *producer; /* a page, and the ring twice in a row */
	size_t page;
	bool index_is_kept[EBPF_INDEX_BUCKETS][EBPF_INDEX_WAYS];
	bool sender_is_kept[EBPF_SENDER_BUCKETS][EBPF_SENDER_WAYS];
	unsigned n_classes;
	unsigned n_peers; /* slots taken */
};

DEFINE_FREEP(struct ebpf_view, ebpf_view_free)

static void *map_whole(int fd, size_t size, int protection, off_t at)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, at);

	return p == MAP_FAILED ? NULL : p;
}

/* Maps the rules up to so many classes. What is mapped is resident, and all of them are a megabyte
 * where most nodes need one or two. What pointed into them before does so no more. */
static bool map_rules(struct ebpf_view *v, unsigned n_classes)
{
	size_t len = offsetof(struct ebpf_rules, classes) + n_classes * sizeof(struct ebpf_class);
	void *p;

	if (v->rules && len <= v->rules_len)
		return true;
	p = map_whole(v->fds[EBPF_FD_RULES], len, PROT_READ | PROT_WRITE, 0);
	if (!p)
		return false;
	if (v->rules)
		(void)munmap(v->rules, v->rules_len);
	v->rules = p;
	v->rules_len = len;
	return true;
}

int ebpf_view_new(int table_fd, int rules_fd, int ring_fd, struct ebpf_view **ret)
{
	CLEANUP(ebpf_view_freep) struct ebpf_view *v = calloc(1, sizeof(*v));

	if (!v) {
		(void)close(table_fd);
		(void)close(rules_fd);
		(void)close(ring_fd);
		return -ENOMEM;
	}
	v->fds[EBPF_FD_TABLE] = table_fd;
	v->fds[EBPF_FD_RULES] = rules_fd;
	v->fds[EBPF_FD_RING] = ring_fd;
	v->page = (size_t)sysconf(_SC_PAGESIZE);
	v->table = map_whole(table_fd, sizeof(*v->table), PROT_READ | PROT_WRITE, 0);
	if (!v->table)
		return -errno;
	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++)
		v->n_peers += v->table->peers[i].id != 0;
	if (rules_fd >= 0 && !map_rules(v, 0))
		return -errno;
	if (ring_fd >= 0) {
		v->consumer = map_whole(ring_fd, v->page, PROT_READ | PROT_WRITE, 0);
		v->producer = map_whole(ring_fd, v->page + 2 * (size_t)EBPF_RING_SIZE, PROT_READ,
					(off_t)v->page);
		if (!v->consumer || !v->producer)
			return -errno;
	}
	*ret = TAKE(v);
	return 0;
}

void ebpf_view_free(struct ebpf_view *v)
{
	if (!v)
		return;
	if (v->table) {
		__atomic_store_n(&v->table->n_keys, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&v->table->is_armed, 0, __ATOMIC_SEQ_CST);
		bytes_wipe(v->table->keys, sizeof(v->table->keys));
		(void)munmap(v->table, sizeof(*v->table));
	}
	if (v->rules)
		(void)munmap(v->rules, v->rules_len);
	if (v->consumer)
		(void)munmap(v->consumer, v->page);
	if (v->producer)
		(void)munmap(v->producer, v->page + 2 * (size_t)EBPF_RING_SIZE);
	for (unsigned i = 0; i < EBPF_N_DESCRIPTORS; i++)
		if (v->fds[i] >= 0)
			(void)close(v->fds[i]);
	free(v);
}

const struct ebpf_table *ebpf_view_table(const struct ebpf_view *v)
{
	return v->table;
}

void ebpf_view_sum(const struct ebpf_view *v, struct ebpf_slot *ret)
{
	const size_t n = offsetof(struct ebpf_slot, last_ns) / sizeof(uint64_t);
	uint64_t *to = (uint64_t *)(void *)ret;

	memset(ret, 0, sizeof(*ret));
	for (unsigned cpu = 0; cpu < EBPF_CPUS; cpu++) {
		const uint64_t *from = (const uint64_t *)(const void *)&v->table->slots[cpu];

		for (size_t i = 0; i < n; i++)
			to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
}

/* ---- guard and meter ---- */

void ebpf_view_set_own(struct ebpf_view *v, const uint8_t address[16])
{
	uint64_t own[2];

	memcpy(own, address, sizeof(own));
	v->table->own[1] = own[1];
	__atomic_store_n(&v->table->own[0], own[0], __ATOMIC_RELEASE);
}

/* The programs may read between two of these writes: then one datagram more is dropped, and sent
 * again by whoever means it. */
void ebpf_view_set_keys(struct ebpf_view *v, const uint8_t (*keys)[16], unsigned n)
{
	uint64_t words[EBPF_KEYS_MAX][2] = { { 0 } };

	if (n > EBPF_KEYS_MAX)
		n = EBPF_KEYS_MAX;
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 16; k++)
			words[i][k / 8] |= (uint64_t)keys[i][k] << (k % 8 * 8);
	if (v->table->n_keys != n || memcmp(v->table->keys, words, sizeof(words)) != 0) {
		memcpy(v->table->keys, words, sizeof(words));
		__atomic_store_n(&v->table->n_keys, n, __ATOMIC_RELEASE);
	}
	bytes_wipe(words, sizeof(words));
}

void ebpf_view_indices_begin(struct ebpf_view *v)
{
	memset(v->index_is_kept, 0, sizeof(v->index_is_kept));
	for (unsigned i = 0; i < EBPF_INDEX_BUCKETS; i++)
		if (v->table->buckets[i].is_full)
			v->table->buckets[i].is_full = 0;
}

/* Slots are freed in any order, so that the one of this peer may lie behind a free one. */
static uint16_t peer_of(struct ebpf_view *v, uint64_t id)
{
	uint64_t start = id ^ id >> 32;
	unsigned room = EBPF_PEERS_MAX;

	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++) {
		unsigned at = (unsigned)(start + i) % EBPF_PEERS_MAX;

		if (v->table->peers[at].id == id)
			return (uint16_t)at;
		if (v->table->peers[at].id == 0 && room == EBPF_PEERS_MAX)
			room = at;
	}
	if (room == EBPF_PEERS_MAX)
		return UINT16_MAX; /* it passes, and is not counted by itself */
	v->table->peers[room] = (struct ebpf_peer){ .id = id };
	v->n_peers++;
	return (uint16_t)room;
}

/* Of peers that have no index any more; a packet that is being counted meanwhile is lost. */
static void free_peers(struct ebpf_view *v)
{
	bool is_used[EBPF_PEERS_MAX] = { false };

	for (unsigned at = 0; at < EBPF_INDEX_BUCKETS; at++)
		for (unsigned i = 0; i < EBPF_INDEX_WAYS; i++) {
			const struct ebpf_bucket *b = &v->table->buckets[at];

			if (b->index[i] && b->peer[i] < EBPF_PEERS_MAX)
				is_used[b->peer[i]] = true;
		}
	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++)
		if (v->table->peers[i].id && !is_used[i]) {
			v->table->peers[i] = (struct ebpf_peer){ 0 };
			v->n_peers--;
		}
}

void ebpf_view_indices_put(struct ebpf_view *v, uint32_t index, uint64_t node_id)
{
	unsigned at = index % EBPF_INDEX_BUCKETS;
	struct ebpf_bucket *b = &v->table->buckets[at];
	unsigned room = EBPF_INDEX_WAYS;

	for (unsigned i = 0; i < EBPF_INDEX_WAYS; i++) {
		if (b->index[i] == index) {
			v->index_is_kept[at][i] = true;
			/* there was no slot for it until now */
			if (b->peer[i] == UINT16_MAX && node_id && v->n_peers < EBPF_PEERS_MAX)
				b->peer[i] = peer_of(v, node_id);
			return;
		}
		if (b->index[i] == 0 && room == EBPF_INDEX_WAYS)
			room = i;
	}
	if (room == EBPF_INDEX_WAYS) {
		b->is_full = 1;
		return;
	}
	b->peer[room] = node_id ? peer_of(v, node_id) : UINT16_MAX;
	__atomic_store_n(&b->index[room], index, __ATOMIC_RELEASE);
	v->index_is_kept[at][room] = true;
}

void ebpf_view_indices_end(struct ebpf_view *v)
{
	for (unsigned at = 0; at < EBPF_INDEX_BUCKETS; at++)
		for (unsigned i = 0; i < EBPF_INDEX_WAYS; i++)
			if (v->table->buckets[at].index[i] && !v->index_is_kept[at][i])
				v->table->buckets[at].index[i] = 0;
	free_peers(v);
	__atomic_store_n(&v->table->is_armed, 1, __ATOMIC_RELEASE);
}

/* ---- enforce ---- */

bool ebpf_view_has_rules(const struct ebpf_view *v)
{
	return v->rules != NULL;
}

unsigned ebpf_view_classes(const struct ebpf_view *v)
{
	return v->n_classes;
}

void ebpf_view_senders_begin(struct ebpf_view *v, bool is_new)
{
	memset(v->sender_is_kept, 0, sizeof(v->sender_is_kept));
	for (unsigned i = 0; i < EBPF_SENDER_BUCKETS; i++)
		v->rules->senders[i].is_full = 0;
	if (!is_new)
		return;
	/* What may be done changes for everyone: while the rules are written nothing is judged
	 * here, but by user space alone. */
	__atomic_store_n(&v->rules->is_armed, 0, __ATOMIC_SEQ_CST);
	memset(v->rules->senders, 0, sizeof(v->rules->senders));
	v->n_classes = 0;
}

static uint64_t sender_key(uint64_t node_id)
{
	uint8_t bytes[8];
	uint64_t key;

	store_u64(bytes, node_id);
	memcpy(&key, bytes, sizeof(key)); /* as the program reads it from the packet */
	return key;
}

bool ebpf_view_sender_keep(struct ebpf_view *v, uint64_t node_id)
{
	unsigned at = (unsigned)(node_id % EBPF_SENDER_BUCKETS);
	const struct ebpf_sender *s = &v->rules->senders[at];

	for (unsigned i = 0; i < EBPF_SENDER_WAYS; i++)
		if (s->id[i] == sender_key(node_id)) {
			v->sender_is_kept[at][i] = true;
			return true;
		}
	return false;
}

static uint16_t class_of(struct ebpf_view *v, const struct ebpf_class *may)
{
	for (unsigned i = 0; i < v->n_classes; i++)
		if (memcmp(&v->rules->classes[i], may, sizeof(*may)) == 0)
			return (uint16_t)i;
	if (v->n_classes == EBPF_CLASSES_MAX || !map_rules(v, v->n_classes + 1))
		return EBPF_CLASS_NONE;
	memcpy(&v->rules->classes[v->n_classes], may, sizeof(*may));
	return (uint16_t)v->n_classes++;
}

void ebpf_view_sender_put(struct ebpf_view *v, uint64_t node_id, const struct ebpf_class *may)
{
	unsigned at = (unsigned)(node_id % EBPF_SENDER_BUCKETS);
	uint16_t class;
	struct ebpf_sender *s;

	for (unsigned i = 0; i < EBPF_SENDER_WAYS; i++) {
		if (v->rules->senders[at].id[i] != 0)
			continue;
		class = class_of(v, may); /* which may map anew */
		s = &v->rules->senders[at];
		s->class[i] = class;
		__atomic_store_n(&s->id[i], sender_key(node_id), __ATOMIC_RELEASE);
		v->sender_is_kept[at][i] = true;
		return;
	}
	v->rules->senders[at].is_full = 1;
}

void ebpf_view_senders_end(struct ebpf_view *v)
{
	for (unsigned at = 0; at < EBPF_SENDER_BUCKETS; at++)
		for (unsigned i = 0; i < EBPF_SENDER_WAYS; i++)
			if (v->rules->senders[at].id[i] && !v->sender_is_kept[at][i])
				v->rules->senders[at].id[i] = 0;
	__atomic_store_n(&v->rules->is_armed, 1, __ATOMIC_RELEASE);
}

bool ebpf_view_next_denied(struct ebpf_view *v, struct ebpf_denied *ret)
{
	volatile uint64_t *read_at = (volatile uint64_t *)(void *)v->consumer;
	uint64_t at, end;

	if (!v->consumer)
		return false;
	at = *read_at;
	end = __atomic_load_n((const uint64_t *)(const void *)v->producer, __ATOMIC_ACQUIRE);
	while (at < end) {
		const uint8_t *record = v->producer + v->page + at % EBPF_RING_SIZE;
		uint32_t head =
			__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		uint32_t len = head & ~(RING_BUSY | RING_DISCARDED);
		bool is_one = !(head & RING_DISCARDED) && len == sizeof(*ret);

		if (head & RING_BUSY)
			return false;
		if (is_one)
			memcpy(ret, record + RING_HEAD, sizeof(*ret));
		at += (len + RING_HEAD + 7) & ~7U;
		__atomic_store_n((uint64_t *)(void *)v->consumer, at, __ATOMIC_RELEASE);
		if (is_one)
			return true;
	}
	return false;
}
