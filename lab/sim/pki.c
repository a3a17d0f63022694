/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for simulated nodes: n0, n1, ... of the domain "sim.test". */
#include "sim/pki.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "shell/openssl/pki.h"

#define DOMAIN "sim.test"
#define MADE_UNIX_S INT64_C(1789990000) /* shortly before the simulations' time begins */

struct sim_identity {
	char spiffe_id[SPIFFE_ID_SIZE];
	uint64_t id;
	struct signing_key *key;
	struct buffer leaf;
	struct span chain;
};

struct sim_pki {
	const struct crypto_ops *ops;
	struct signing_key *root_key;
	struct buffer root;
	size_t n;
	struct sim_identity *identities;
	struct rng rng;
};

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *r = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(rng_next(r) >> 56);
}

static int make_identity(struct sim_pki *p, size_t at)
{
	struct sim_identity *i = &p->identities[at];
	struct entropy entropy = { .fill = fill, .arg = &p->rng };
	struct svid_terms terms = { .spiffe_id = i->spiffe_id,
				    .now_s = MADE_UNIX_S,
				    .lifetime_s = SVID_LIFETIME_S };
	struct buffer csr = { 0 };
	char name[NODE_NAME_MAX + 1];
	uint8_t seed[32];
	int r;

	(void)snprintf(name, sizeof(name), "n%zu", at);
	terms.name = name;
	r = spiffe_id_format(DOMAIN, name, i->spiffe_id);
	fill(&p->rng, seed, sizeof(seed));
	if (r == 0)
		r = signing_key_from_seed(seed, &i->key);
	if (r == 0)
		r = pki_make_csr(i->key, name, &csr);
	if (r == 0)
		r = pki_issue_svid(p->root_key, SPAN(p->root.at, p->root.len),
				   SPAN(csr.at, csr.len), &terms, &entropy, &i->leaf);
	buffer_done(&csr);
	i->chain = SPAN(i->leaf.at, i->leaf.len);
	i->id = node_id_of(p->ops, i->spiffe_id);
	return r;
}

DEFINE_FREEP(struct sim_pki, sim_pki_free)

int sim_pki_new(const struct crypto_ops *ops, size_t n, struct sim_pki **ret)
{
	CLEANUP(sim_pki_freep) struct sim_pki *p = calloc(1, sizeof(*p));
	static const uint8_t seed[32] = "root key of all simulations";
	struct entropy entropy;
	int r;

	if (!p)
		return -ENOMEM;
	p->ops = ops;
	rng_seed(&p->rng, 1);
	entropy = (struct entropy){ .fill = fill, .arg = &p->rng };
	p->identities = calloc(n, sizeof(*p->identities));
	if (!p->identities)
		return -ENOMEM;
	p->n = n;
	r = signing_key_from_seed(seed, &p->root_key);
	if (r == 0)
		r = pki_make_root(p->root_key, DOMAIN, MADE_UNIX_S, &entropy, &p->root);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = make_identity(p, i);
	if (r < 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

void sim_pki_free(struct sim_pki *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->identities && i < p->n; i++) {
		signing_key_free(p->identities[i].key);
		buffer_done(&p->identities[i].leaf);
	}
	free(p->identities);
	signing_key_free(p->root_key);
	buffer_done(&p->root);
	free(p);
}

const struct crypto_ops *sim_pki_ops(const struct sim_pki *p)
{
	return p->ops;
}

uint64_t sim_pki_id(const struct sim_pki *p, size_t i)
{
	return p->identities[i].id;
}

void sim_pki_address(const struct sim_pki *p, size_t i, uint8_t ret[16])
{
	overlay_address_of(p->ops, DOMAIN, p->identities[i].id, ret);
}

void sim_pki_fill(const struct sim_pki *p, size_t i, struct node_config *ret)
{
	struct sim_identity *identity = &p->identities[i];

	ret->identity.chain = &identity->chain;
	ret->identity.n_chain = 1;
	ret->identity.key = identity->key;
	ret->identity.node_id = identity->id;
	memcpy(ret->identity.spiffe_id, identity->spiffe_id, sizeof(identity->spiffe_id));
	memcpy(ret->trust.domain, DOMAIN, sizeof(DOMAIN));
	ret->trust.n_roots = 1;
	ret->trust.roots[0] = SPAN(p->root.at, p->root.len);
	ret->is_authority = i == 0;
	if (i == 0)
		ret->root_key = p->root_key;
}
