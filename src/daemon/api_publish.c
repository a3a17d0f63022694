/* SPDX-License-Identifier: Apache-2.0 */
/* How things stand, as one object for the API's thread: policy, names, and for the overlay the
 * roots, the revocations and the TLS made of the membership. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api_internal.h"
#include "daemon/daemon_internal.h"

void api_published_free(struct api_published *p)
{
	if (!p)
		return;
	tls_context_free(p->tls);
	revocation_done(&p->trust.revoked);
	policy_free(p->policy);
	free(p->bytes);
	free(p);
}

DEFINE_FREEP(struct api_published, api_published_free)

static int64_t published_unix_s(void *arg)
{
	const struct api_published *p = arg; /* read only */
	int64_t least_ms = p->floor_ms + (int64_t)((loop_now_us() - p->floor_us) / US_PER_MS);
	int64_t now_ms = loop_unix_ms();

	return (now_ms > least_ms ? now_ms : least_ms) / 1000;
}

static bool published_accepts(void *arg, const struct peer_identity *peer)
{
	const struct api_published *p = arg;

	return policy_decide(p->policy, peer->spiffe_id, POLICY_SESSION, "", NULL) == POLICY_ALLOW;
}

/* Roots in memory of their own: those of the member go when it is renewed. */
static int copy_roots(struct api_published *p, const struct daemon *d)
{
	const struct membership *is = &d->member->is;
	size_t n = 0;
	uint8_t *at;

	for (size_t i = 0; i < is->n_roots; i++)
		n += is->roots[i].len;
	at = p->bytes = malloc(n ? n : 1);
	if (!p->bytes)
		return -ENOMEM;
	for (size_t i = 0; i < is->n_roots && p->trust.n_roots < BUNDLE_ROOTS_MAX; i++) {
		struct cert c;

		memcpy(at, is->roots[i].at, is->roots[i].len);
		if (d->ops->cert_read(is->roots[i], &c) < 0)
			return -EBADMSG;
		if (c.is_p256)
			p->trust.roots[p->trust.n_roots++] = SPAN(at, is->roots[i].len);
		at += is->roots[i].len;
	}
	trust_set_bundle(&p->trust);
	return 0;
}

static int no_certificate(struct tls_error *e)
{
	(void)snprintf(e->text, sizeof(e->text),
		       "the membership has no ECDSA certificate; x0 leave and join again");
	return -ENOENT;
}

static int make_tls(struct api_published *p, const struct daemon *d, char why[HTTP_WHY_SIZE])
{
	const struct member *m = d->member;
	struct span revocations = node_revocations(d->node);
	struct tls_settings settings = {
		.is_server = true,
		.groups = d->options->config->tls_groups == CONFIG_TLS_HYBRID_ONLY
				  ? TLS_HYBRID_ONLY
				  : TLS_HYBRID_FIRST,
		.chain = m->is.chain_p256,
		.n_chain = m->is.n_chain_p256,
		.key = m->key_p256,
		.verifier = &p->verifier,
		.alpn = "http/1.1",
	};
	struct tls_error e = { .text = "" };
	int r = 0;

	p->trust.ops = d->ops;
	memcpy(p->trust.domain, m->domain, sizeof(p->trust.domain));
	p->verifier = (struct tls_verifier){
		.trust = &p->trust,
		.unix_s = published_unix_s,
		.accepts = published_accepts,
		.arg = p,
	};
	r = copy_roots(p, d);
	if (r == 0 && revocations.len > 0)
		r = revocation_decode(d->ops, revocations, m->mldsa_roots, m->n_mldsa_roots,
				      &p->trust.revoked);
	if (r == 0 && m->is.n_chain_p256 == 0)
		r = no_certificate(&e);
	if (r == 0)
		r = tls_context_new(&settings, &p->tls, &e);
	if (r < 0)
		(void)snprintf(why, HTTP_WHY_SIZE, "%.200s",
			       e.text[0] ? e.text : "the membership cannot be used for TLS");
	return r;
}

enum identity_fault api_published_judge(const struct api_published *p,
					const struct peer_identity *peer)
{
	return trust_recheck(&p->trust, peer, published_unix_s((void *)(uintptr_t)p));
}

static void add_host(struct api_published *p, const char *host)
{
	if (host[0] && p->n_hosts < N_ELEMENTS(p->hosts))
		(void)snprintf(p->hosts[p->n_hosts++], HTTP_HOST_MAX, "%s", host);
}

struct api_published *api_published_new(const struct daemon *d, char ret_why_no_tls[HTTP_WHY_SIZE])
{
	CLEANUP(api_published_freep) struct api_published *p = calloc(1, sizeof(*p));
	char text[HTTP_HOST_MAX] = "";
	json_t *address = address_json(node_overlay_address(d->node));

	ret_why_no_tls[0] = '\0';
	if (p && address)
		(void)snprintf(text, sizeof(text), "[%.60s]", json_string_value(address));
	json_decref(address);
	if (!p || policy_new(d->config->rules, d->config->n_rules, &p->policy) < 0)
		return NULL;
	p->floor_us = loop_now_us();
	p->floor_ms = daemon_unix_ms(d);
	add_host(p, text);
	add_host(p, d->member->name);
	(void)snprintf(text, sizeof(text), "%s.%.180s", d->member->name,
		       d->options->config->names_zone);
	add_host(p, text);
	if (d->options->config->api_overlay && make_tls(p, d, ret_why_no_tls) < 0)
		bytes_wipe(p->trust.bundle, sizeof(p->trust.bundle)); /* nobody is of it */
	return TAKE(p);
}
