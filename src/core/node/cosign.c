/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about ledgers (core/cosign) between direct neighbours: whole ones in both directions, in
 * the records of the link's stream. What they say is the shell's to judge, for it has the files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/node/node_internal.h"

bool cosign_part_fits(struct node *n, struct span part)
{
	struct reader r = reader_of(part);

	if (read_u32(&r) <= NODE_COSIGN_LEN_MAX)
		return true;
	n->counters.malformed++;
	return false;
}

void cosign_input(struct node *n, const struct node_session *s, struct blob *b)
{
	if (!s->peer)
		return;
	/* It will be offered again; and who floods loses his own before others' if the shell keeps
	 * up. */
	if (n->n_cosigns == NODE_COSIGNS_MAX || !node_act(n, NODE_COSIGN, (struct span){ 0 }))
		return;
	n->cosigns[n->n_cosigns].from = s->peer->id;
	n->cosigns[n->n_cosigns].bytes = *b;
	n->n_cosigns++;
	*b = (struct blob){ 0 };
}

bool node_cosign_next(struct node *n, uint64_t *ret_from, char ret_spiffe_id[SPIFFE_ID_SIZE],
		      uint8_t **ret_bytes, size_t *ret_len)
{
	const struct peer *p;

	if (n->n_cosigns == 0)
		return false;
	*ret_from = n->cosigns[0].from;
	*ret_bytes = n->cosigns[0].bytes.bytes;
	*ret_len = n->cosigns[0].bytes.total;
	n->n_cosigns--;
	memmove(&n->cosigns[0], &n->cosigns[1], n->n_cosigns * sizeof(n->cosigns[0]));
	p = peer_get(n, *ret_from);
	(void)snprintf(ret_spiffe_id, SPIFFE_ID_SIZE, "%s", p && p->direct ? p->spiffe_id : "");
	return true;
}

int node_cosign_send(struct node *n, uint64_t node_id, struct span message, uint64_t now_us)
{
	struct peer *p = peer_get(n, node_id);
	int r;

	n->now_us = now_us;
	if (message.len == 0 || message.len > NODE_COSIGN_LEN_MAX)
		return -EMSGSIZE;
	if (!p || !p->direct || !p->direct->stream)
		return -ENETUNREACH;
	r = control_push_blob(n, p->direct, RECORD_COSIGN, message);
	session_pump(n, p->direct);
	node_pump(n);
	return r;
}

void cosign_end(struct node *n)
{
	for (size_t i = 0; i < n->n_cosigns; i++)
		blob_done(&n->cosigns[i].bytes);
	n->n_cosigns = 0;
}
