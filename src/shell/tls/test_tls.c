/* SPDX-License-Identifier: Apache-2.0 */
/* Whole handshakes in memory: what is negotiated, which peers are refused and with which words, and
 * what becomes of damaged key shares. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "shell/openssl/pki.h"
#include "shell/tls/tls.h"

#define DOMAIN "example.mesh"
#define ALPHA "spiffe://example.mesh/node/alpha"
#define BETA "spiffe://example.mesh/node/beta"
#define NOW INT64_C(1800000000)
#define DAY 86400

static const struct crypto_ops *ops;
static struct signing_key *authority;
static struct signing_key *stranger;
static struct buffer root;
static struct buffer other_root; /* of the same name, by another key */

struct node {
	struct signing_key *key;
	struct buffer svid;
};

static struct node alpha;
static struct node beta;
static int64_t now_s;

static void fill(void *arg, uint8_t *ret, size_t len)
{
	static uint8_t next;

	(void)arg;
	for (size_t i = 0; i < len; i++)
		ret[i] = next++;
}

static const struct entropy entropy = { .fill = fill };

static struct span span_of(const struct buffer *b)
{
	return SPAN(b->at, b->len);
}

static int issue(const struct signing_key *by, const struct buffer *from,
		 const struct signing_key *key, const char *spiffe_id, int64_t at_s,
		 struct buffer *ret)
{
	const struct svid_terms terms = {
		.spiffe_id = spiffe_id, .name = "node", .now_s = at_s, .lifetime_s = 10 * DAY
	};
	struct buffer csr = { 0 };
	int r = pki_make_csr(key, "node", &csr);

	if (r == 0)
		r = pki_issue_svid(by, span_of(from), span_of(&csr), &terms, &entropy, ret);
	buffer_done(&csr);
	return r;
}

static int make_node(const char *spiffe_id, struct node *ret)
{
	return signing_key_new_p256(&ret->key) < 0
		       ? -1
		       : issue(authority, &root, ret->key, spiffe_id, NOW, &ret->svid);
}

static void node_done(struct node *n)
{
	signing_key_free(n->key);
	buffer_done(&n->svid);
}

static int set_up(void **state)
{
	const char *error = "";

	(void)state;
	ops = openssl_crypto_ops(&error);
	if (!ops || signing_key_new_p256(&authority) < 0 || signing_key_new_p256(&stranger) < 0 ||
	    pki_make_root(authority, DOMAIN, NOW - 60 * DAY, &entropy, &root) < 0 ||
	    pki_make_root(stranger, DOMAIN, NOW - 60 * DAY, &entropy, &other_root) < 0)
		return -1;
	return make_node(ALPHA, &alpha) < 0 || make_node(BETA, &beta) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	node_done(&alpha);
	node_done(&beta);
	buffer_done(&root);
	buffer_done(&other_root);
	signing_key_free(authority);
	signing_key_free(stranger);
	return 0;
}

/* ---- one side ---- */

struct side {
	struct trust trust;
	struct tls_verifier verifier;
	struct span chain;
	struct tls_settings settings;
	SSL_CTX *ctx;
	SSL *ssl;
};

static int64_t clock_s(void *arg)
{
	(void)arg;
	return now_s;
}

/* Alpha serves, beta connects, each verifies the other; a test changes what it is about. */
static void side_init(struct side *s, bool is_server)
{
	const struct node *n = is_server ? &alpha : &beta;

	*s = (struct side){ .trust = { .ops = ops, .domain = DOMAIN, .n_roots = 1 } };
	s->trust.roots[0] = span_of(&root);
	s->verifier = (struct tls_verifier){ .trust = &s->trust, .unix_s = clock_s };
	s->chain = span_of(&n->svid);
	s->settings = (struct tls_settings){ .is_server = is_server,
					     .chain = &s->chain,
					     .n_chain = 1,
					     .key = n->key,
					     .verifier = &s->verifier };
}

static void side_open(struct side *s)
{
	struct tls_error e = { .text = "" };
	int r = tls_context_new(&s->settings, &s->ctx, &e);

	if (r < 0)
		fail_msg("%s", e.text);
	s->ssl = SSL_new(s->ctx);
	assert_non_null(s->ssl);
	SSL_set_bio(s->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (s->settings.is_server)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
}

static void side_close(struct side *s)
{
	SSL_free(s->ssl);
	tls_context_free(s->ctx);
	revocation_done(&s->trust.revoked);
}

/* ---- two sides ---- */

#define FLIGHT_MAX 16384
#define ROUNDS 6

struct pair {
	struct side client, server;
	/* Called with each flight of the client (or server) before it arrives; NULL: nothing. */
	void (*change)(bool is_client, unsigned n, uint8_t *at, size_t len);
	unsigned n_flights; /* of the client */
	bool is_client_done, is_server_done;
	char client_error[TLS_ERROR_SIZE];
	char server_error[TLS_ERROR_SIZE];
};

static void pair_init(struct pair *p)
{
	*p = (struct pair){ 0 };
	now_s = NOW;
	side_init(&p->client, false);
	side_init(&p->server, true);
}

static void carry(struct pair *p, bool is_client)
{
	static uint8_t flight[FLIGHT_MAX];
	SSL *from = is_client ? p->client.ssl : p->server.ssl;
	SSL *to = is_client ? p->server.ssl : p->client.ssl;
	int len = BIO_read(SSL_get_wbio(from), flight, sizeof(flight));

	if (len <= 0)
		return;
	if (is_client)
		p->n_flights++;
	if (p->change)
		p->change(is_client, p->n_flights, flight, (size_t)len);
	assert_int_equal(BIO_write(SSL_get_rbio(to), flight, len), len);
}

/* One step of one side; what goes wrong is kept in words. */
static void step(struct side *s, bool *is_done, char error[TLS_ERROR_SIZE])
{
	uint8_t nothing[16];
	struct tls_error e;
	int r;

	if (error[0])
		return;
	ERR_clear_error();
	/* In TLS 1.3 the client learns only when it reads whether its certificate was taken. */
	r = *is_done ? SSL_read(s->ssl, nothing, sizeof(nothing)) : SSL_do_handshake(s->ssl);
	if (!*is_done && r == 1)
		*is_done = true;
	else if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ) {
		tls_explain(s->ssl, &e);
		memcpy(error, e.text, TLS_ERROR_SIZE);
	}
}

static void shake(struct pair *p)
{
	side_open(&p->client);
	side_open(&p->server);
	for (unsigned i = 0; i < ROUNDS; i++) {
		step(&p->client, &p->is_client_done, p->client_error);
		carry(p, true);
		step(&p->server, &p->is_server_done, p->server_error);
		carry(p, false);
	}
}

static void pair_close(struct pair *p)
{
	side_close(&p->client);
	side_close(&p->server);
}

static void assert_agreed(struct pair *p)
{
	if (!p->is_client_done || !p->is_server_done || p->client_error[0] || p->server_error[0])
		fail_msg("client: %s, server: %s", p->client_error, p->server_error);
}

static void assert_refused(struct pair *p, const char *by_server, const char *by_client)
{
	if (by_server && !strstr(p->server_error, by_server))
		fail_msg("server: \"%s\", not \"%s\"", p->server_error, by_server);
	if (by_client && !strstr(p->client_error, by_client))
		fail_msg("client: \"%s\", not \"%s\"", p->client_error, by_client);
	assert_true(p->client_error[0] || p->server_error[0]);
}

static const char *group_of(const struct side *s)
{
	static struct tls_summary summary;

	tls_summarize(s->ssl, &summary);
	return summary.group_name;
}

/* ---- what is negotiated ---- */

static void two_nodes_agree_on_the_hybrid_group_and_know_each_other(void **state)
{
	struct tls_summary s;
	struct pair p;

	(void)state;
	pair_init(&p);
	shake(&p);
	assert_agreed(&p);
	tls_summarize(p.client.ssl, &s);
	assert_string_equal(s.version, "TLSv1.3");
	assert_string_equal(s.group_name, "X25519MLKEM768");
	assert_int_equal(s.group, 0x11ec);
	assert_true(s.is_hybrid);
	assert_string_equal(s.suite, "TLS_AES_256_GCM_SHA384");
	assert_string_equal(s.alpn, "");
	assert_true(s.has_peer && s.is_verified);
	assert_string_equal(s.peer, ALPHA);
	assert_int_equal(s.not_after_s, NOW + 10 * DAY);
	tls_summarize(p.server.ssl, &s);
	assert_string_equal(s.peer, BETA);
	assert_int_equal(s.group, 0x11ec);
	assert_int_equal(p.n_flights, 2); /* no second ClientHello */
	pair_close(&p);
}

static void each_group_can_be_the_only_one(void **state)
{
	const struct tls_group *g;

	(void)state;
	for (size_t i = 0; (g = tls_group_at(i)) != NULL; i++) {
		struct tls_summary s;
		struct pair p;

		pair_init(&p);
		p.client.settings.group_list = g->name;
		p.server.settings.group_list = g->name;
		shake(&p);
		assert_agreed(&p);
		tls_summarize(p.server.ssl, &s);
		assert_string_equal(s.group_name, g->name);
		assert_int_equal(s.group, g->id);
		assert_true(s.is_hybrid == g->is_hybrid);
		pair_close(&p);
	}
}

static void a_client_that_sends_another_share_first_is_asked_again(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client.settings.group_list = "X25519:X25519MLKEM768";
	p.server.settings.groups = TLS_HYBRID_ONLY;
	shake(&p);
	assert_agreed(&p);
	assert_string_equal(group_of(&p.client), "X25519MLKEM768");
	assert_int_equal(p.n_flights, 3); /* HelloRetryRequest: a second ClientHello */
	pair_close(&p);
}

static void x25519_alone_is_taken_or_refused_as_was_chosen(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client.settings.group_list = "X25519";
	shake(&p);
	assert_agreed(&p);
	assert_string_equal(group_of(&p.server), "X25519");
	pair_close(&p);

	pair_init(&p);
	p.client.settings.group_list = "X25519";
	p.server.settings.groups = TLS_HYBRID_ONLY;
	shake(&p);
	assert_refused(&p, "no suitable", "handshake failure");
	pair_close(&p);

	pair_init(&p);
	p.client.settings.groups = TLS_HYBRID_ONLY;
	p.server.settings.group_list = "X25519";
	shake(&p);
	assert_refused(&p, "no suitable", "handshake failure");
	pair_close(&p);
}

static void the_server_chooses_the_protocol_and_refuses_strangers(void **state)
{
	struct tls_summary s;
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client.settings.alpn = "http/1.1,h2";
	p.server.settings.alpn = "h2,http/1.1";
	shake(&p);
	assert_agreed(&p);
	tls_summarize(p.client.ssl, &s);
	assert_string_equal(s.alpn, "h2");
	pair_close(&p);

	pair_init(&p);
	p.client.settings.alpn = "x0";
	p.server.settings.alpn = "h2,http/1.1";
	shake(&p);
	assert_refused(&p, "", "no application protocol");
	pair_close(&p);
}

static void nothing_below_tls_1_3_and_no_ticket(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	side_open(&p.client);
	side_open(&p.server);
	assert_int_equal(SSL_CTX_get_min_proto_version(p.server.ctx), TLS1_3_VERSION);
	assert_int_equal(SSL_CTX_get_num_tickets(p.server.ctx), 0);
	/* a client that knows 1.2 alone */
	assert_int_equal(SSL_set_min_proto_version(p.client.ssl, TLS1_2_VERSION), 1);
	assert_int_equal(SSL_set_max_proto_version(p.client.ssl, TLS1_2_VERSION), 1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		step(&p.client, &p.is_client_done, p.client_error);
		carry(&p, true);
		step(&p.server, &p.is_server_done, p.server_error);
		carry(&p, false);
	}
	assert_false(p.is_server_done);
	assert_false(p.is_client_done);
	pair_close(&p);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad_groups[] = { "",
						  "X25519:",
						  ":X25519",
						  "X448",
						  "x25519mlkem768",
						  "?X25519",
						  "X25519 ",
						  "X25519,X25519MLKEM768",
						  "*X25519",
						  "ffdhe2048" };
	static const char *const bad_alpn[] = { "", ",", "h2,", ",h2" };
	struct tls_error e;
	struct side s;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad_groups); i++) {
		side_init(&s, true);
		s.settings.group_list = bad_groups[i];
		assert_int_equal(tls_context_new(&s.settings, &s.ctx, &e), -EINVAL);
	}
	for (size_t i = 0; i < N_ELEMENTS(bad_alpn); i++) {
		side_init(&s, true);
		s.settings.alpn = bad_alpn[i];
		assert_int_equal(tls_context_new(&s.settings, &s.ctx, &e), -EINVAL);
	}
	side_init(&s, true);
	s.settings.key = NULL;
	assert_int_equal(tls_context_new(&s.settings, &s.ctx, &e), -EINVAL);
	side_init(&s, true);
	s.settings.key = beta.key;
	assert_int_equal(tls_context_new(&s.settings, &s.ctx, &e), -EKEYREJECTED);
	side_init(&s, true);
	s.settings.n_chain = 0;
	assert_int_equal(tls_context_new(&s.settings, &s.ctx, &e), -EINVAL);
}

/* ---- who is refused ---- */

/* The server's certificate, or the client's, is this one instead; the other side refuses it. */
static void assert_certificate_refused(const struct buffer *svid, const char *reason)
{
	struct pair p;

	pair_init(&p);
	p.server.chain = span_of(svid);
	shake(&p);
	assert_refused(&p, NULL, reason);
	assert_false(p.is_server_done);
	pair_close(&p);
}

static void assert_client_certificate_refused(const struct buffer *svid, const char *reason)
{
	struct pair p;

	pair_init(&p);
	p.client.chain = span_of(svid);
	shake(&p);
	assert_refused(&p, reason, "the peer refused with the alert");
	assert_false(p.is_server_done);
	pair_close(&p);
}

static void assert_both_refused(struct buffer *as_server, struct buffer *as_client,
				const char *reason)
{
	assert_certificate_refused(as_server, reason);
	assert_client_certificate_refused(as_client, reason);
	buffer_done(as_server);
	buffer_done(as_client);
}

static void wrong_domains_and_names_are_refused_both_ways(void **state)
{
	static const struct {
		const char *id, *reason;
	} cases[] = {
		{ "spiffe://other.mesh/node/alpha", "certificate belongs to another trust domain" },
		{ "https://example.mesh/node/alpha", "certificate names no SPIFFE ID of a node" },
		{ "spiffe://example.mesh/alpha", "certificate names no SPIFFE ID of a node" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct buffer a = { 0 };
		struct buffer b = { 0 };

		assert_int_equal(issue(authority, &root, alpha.key, cases[i].id, NOW, &a), 0);
		assert_int_equal(issue(authority, &root, beta.key, cases[i].id, NOW, &b), 0);
		assert_both_refused(&a, &b, cases[i].reason);
	}
}

static void expired_and_early_certificates_are_refused_both_ways(void **state)
{
	struct buffer a = { 0 };
	struct buffer b = { 0 };

	(void)state;
	assert_int_equal(issue(authority, &root, alpha.key, ALPHA, NOW - 20 * DAY, &a), 0);
	assert_int_equal(issue(authority, &root, beta.key, BETA, NOW - 20 * DAY, &b), 0);
	assert_both_refused(&a, &b, "certificate has expired");
	assert_int_equal(issue(authority, &root, alpha.key, ALPHA, NOW + DAY, &a), 0);
	assert_int_equal(issue(authority, &root, beta.key, BETA, NOW + DAY, &b), 0);
	assert_both_refused(&a, &b, "certificate is not valid yet");
}

static void another_authority_is_refused_both_ways(void **state)
{
	struct buffer a = { 0 };
	struct buffer b = { 0 };

	(void)state;
	assert_int_equal(issue(stranger, &other_root, alpha.key, ALPHA, NOW, &a), 0);
	assert_int_equal(issue(stranger, &other_root, beta.key, BETA, NOW, &b), 0);
	assert_both_refused(&a, &b, "certificate was not issued by a root of the trust bundle");
}

static void replace(X509 *x, int nid, const char *value)
{
	int at = X509_get_ext_by_NID(x, nid, -1);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_true(at >= 0);
	assert_non_null(extension);
	X509_EXTENSION_free(X509_delete_ext(x, at));
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* A node's SVID with one extension changed, signed anew: what a careless authority might issue. */
static void resign(const struct node *n, int nid, const char *value, struct buffer *ret)
{
	const unsigned char *at = n->svid.at;
	X509 *x = d2i_X509(NULL, &at, (long)n->svid.len);
	unsigned char *der = NULL;
	int len;

	assert_non_null(x);
	replace(x, nid, value);
	assert_true(X509_sign(x, signing_key_pkey(authority), EVP_sha256()) > 0);
	len = i2d_X509(x, &der);
	assert_true(len > 0);
	ret->at = malloc((size_t)len);
	assert_non_null(ret->at);
	memcpy(ret->at, der, (size_t)len);
	ret->len = (size_t)len;
	OPENSSL_free(der);
	X509_free(x);
}

static void two_names_and_authorities_as_leaves_are_refused_both_ways(void **state)
{
	static const struct {
		int nid;
		const char *value, *reason;
	} cases[] = {
		{ NID_subject_alt_name, "URI:" ALPHA ",URI:" BETA, "must name exactly one URI" },
		{ NID_subject_alt_name, "URI:" ALPHA ",DNS:alpha", "must name exactly one URI" },
		{ NID_subject_alt_name, "DNS:alpha.example", "must name exactly one URI" },
		{ NID_basic_constraints, "critical,CA:TRUE", "is that of an authority" },
		{ NID_key_usage, "critical,digitalSignature,keyCertSign",
		  "is that of an authority" },
		{ NID_key_usage, "critical,digitalSignature,cRLSign", "key usage" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct buffer a = { 0 };
		struct buffer b = { 0 };

		resign(&alpha, cases[i].nid, cases[i].value, &a);
		resign(&beta, cases[i].nid, cases[i].value, &b);
		assert_both_refused(&a, &b, cases[i].reason);
	}
}

/* The leaf, and then the root as often as it takes. */
static void lengthen(struct side *s, struct span chain[CHAIN_CERTS_MAX + 1])
{
	chain[0] = s->chain;
	for (size_t i = 1; i <= CHAIN_CERTS_MAX; i++)
		chain[i] = span_of(&root);
	s->settings.chain = chain;
	s->settings.n_chain = CHAIN_CERTS_MAX + 1;
}

static void a_chain_that_is_too_long_is_refused_both_ways(void **state)
{
	struct span chain[CHAIN_CERTS_MAX + 1];
	struct pair p;

	(void)state;
	pair_init(&p);
	lengthen(&p.server, chain);
	shake(&p);
	assert_refused(&p, "alert \"unknown CA\"", "the peer's chain is too long");
	pair_close(&p);
	pair_init(&p);
	lengthen(&p.client, chain);
	shake(&p);
	assert_refused(&p, "the peer's chain is too long", "alert \"unknown CA\"");
	assert_false(p.is_server_done);
	pair_close(&p);
}

static void a_revoked_node_is_refused_both_ways(void **state)
{
	struct revoked entry = { 0 };
	struct pair p;

	(void)state;
	entry.node_id = node_id_of(ops, ALPHA);
	pair_init(&p);
	assert_int_equal(revocation_add(&p.client.trust.revoked, &entry), 0);
	shake(&p);
	assert_refused(&p, "certificate revoked", "certificate has been revoked");
	pair_close(&p);

	entry.node_id = node_id_of(ops, BETA);
	pair_init(&p);
	assert_int_equal(revocation_add(&p.server.trust.revoked, &entry), 0);
	shake(&p);
	assert_refused(&p, "certificate has been revoked", "certificate revoked");
	pair_close(&p);
}

static void another_node_than_expected_is_refused_both_ways(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client.verifier.expected = ALPHA;
	p.server.verifier.expected = BETA;
	shake(&p);
	assert_agreed(&p);
	pair_close(&p);

	pair_init(&p);
	p.client.verifier.expected = "spiffe://example.mesh/node/gamma";
	shake(&p);
	assert_refused(&p, "bad certificate", "another node than expected");
	pair_close(&p);

	pair_init(&p);
	p.server.verifier.expected = ALPHA;
	shake(&p);
	assert_refused(&p, "another node than expected", "bad certificate");
	pair_close(&p);
}

static bool refuse(void *arg, const struct peer_identity *peer)
{
	*(uint64_t *)arg = peer->node_id;
	return false;
}

static void policy_has_the_last_word(void **state)
{
	uint64_t asked = 0;
	struct pair p;

	(void)state;
	pair_init(&p);
	p.server.verifier.accepts = refuse;
	p.server.verifier.arg = &asked;
	shake(&p);
	assert_refused(&p, "policy does not accept", "bad certificate");
	assert_true(asked == node_id_of(ops, BETA));
	pair_close(&p);
}

static void a_client_without_certificate_is_refused_unless_nobody_asks(void **state)
{
	struct tls_summary s;
	struct pair p;

	(void)state;
	pair_init(&p);
	p.client.settings.key = NULL;
	shake(&p);
	assert_refused(&p, "did not return a certificate", "certificate required");
	assert_false(p.is_server_done);
	pair_close(&p);

	pair_init(&p);
	p.client.settings.key = NULL;
	p.server.settings.verifier = NULL;
	shake(&p);
	assert_agreed(&p);
	tls_summarize(p.server.ssl, &s);
	assert_false(s.has_peer);
	pair_close(&p);
}

static void who_verifies_nothing_is_told_so(void **state)
{
	struct tls_summary s;
	struct pair p;

	(void)state;
	pair_init(&p);
	now_s = NOW + 300 * DAY;
	p.client.settings.verifier = NULL;
	p.server.settings.verifier = NULL;
	shake(&p);
	assert_agreed(&p);
	tls_summarize(p.client.ssl, &s);
	assert_true(s.has_peer);
	assert_false(s.is_verified);
	assert_string_equal(s.peer, ALPHA);
	pair_close(&p);
}

static void who_verifies_nothing_sees_the_leaf_of_any_chain(void **state)
{
	struct span chain[CHAIN_CERTS_MAX + 1];
	struct tls_summary s;
	struct pair p;

	(void)state;
	pair_init(&p);
	lengthen(&p.server, chain);
	p.client.settings.verifier = NULL;
	p.server.settings.verifier = NULL;
	shake(&p);
	assert_agreed(&p);
	tls_summarize(p.client.ssl, &s);
	assert_false(s.is_verified);
	assert_string_equal(s.peer, ALPHA);
	assert_true(s.not_after_s > NOW);
	pair_close(&p);
}

/* ---- damaged shares ---- */

/* The key share of a group in a hello: its bytes after id and length. Each of our groups has
 * lengths of its own, so id and length together occur by chance in 2^-32 of all places. */
static uint8_t *find_share(uint8_t *at, size_t len, unsigned id, size_t share_len)
{
	for (size_t i = 0; i + 4 + share_len <= len; i++)
		if (load_u16(at + i) == id && load_u16(at + i + 2) == share_len)
			return at + i + 4;
	return NULL;
}

static uint8_t *client_share(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = is_client && n == 1 ? find_share(at, len, 0x11ec, 1216) : NULL;

	assert_true(share || !is_client || n > 1);
	return share;
}

static void coefficient_above_q(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = client_share(is_client, n, at, len);

	if (share)
		memset(share, 0xff, 3);
}

static void zero_point(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = client_share(is_client, n, at, len);

	if (share)
		memset(share + 1184, 0, 32);
}

static void length_of_another_group(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = client_share(is_client, n, at, len);

	if (share)
		store_u16(share - 4, 0x11eb);
}

static void changed_key(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = client_share(is_client, n, at, len);

	if (share)
		share[1183] ^= 1; /* of the seed rho: every value is one */
}

static void point_off_the_curve(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = is_client && n == 1 ? find_share(at, len, 0x11eb, 1249) : NULL;

	if (share)
		share[64] ^= 1;
}

static void a_damaged_client_share_is_refused_with_an_alert(void **state)
{
	static const struct {
		void (*change)(bool is_client, unsigned n, uint8_t *at, size_t len);
		const char *groups, *server, *client;
	} cases[] = {
		{ coefficient_above_q, "X25519MLKEM768", "", "illegal parameter" },
		{ zero_point, "X25519MLKEM768", "", "illegal parameter" },
		{ length_of_another_group, "X25519MLKEM768:SecP256r1MLKEM768", "",
		  "illegal parameter" },
		{ point_off_the_curve, "SecP256r1MLKEM768", "", "illegal parameter" },
		/* each side has a secret of its own: what the server sends cannot be opened */
		{ changed_key, "X25519MLKEM768", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct pair p;

		pair_init(&p);
		p.change = cases[i].change;
		p.client.settings.group_list = cases[i].groups;
		shake(&p);
		assert_refused(&p, cases[i].server, cases[i].client);
		assert_false(p.is_server_done || p.is_client_done);
		pair_close(&p);
	}
}

static uint8_t *server_share(bool is_client, uint8_t *at, size_t len)
{
	return is_client ? NULL : find_share(at, len, 0x11ec, 1120);
}

static void zero_point_back(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = server_share(is_client, at, len);

	(void)n;
	if (share)
		memset(share + 1088, 0, 32);
}

static void changed_ciphertext(bool is_client, unsigned n, uint8_t *at, size_t len)
{
	uint8_t *share = server_share(is_client, at, len);

	(void)n;
	if (share)
		share[500] ^= 1;
}

static void a_damaged_server_share_ends_the_handshake(void **state)
{
	void (*const cases[])(bool, unsigned, uint8_t *, size_t) = { zero_point_back,
								     changed_ciphertext };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct pair p;

		pair_init(&p);
		p.change = cases[i];
		shake(&p);
		assert_true(p.client_error[0]);
		assert_true(strstr(p.server_error, "the peer refused with the alert") ||
			    strstr(p.server_error, "bad record"));
		assert_false(p.is_server_done || p.is_client_done);
		pair_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_agree_on_the_hybrid_group_and_know_each_other),
		cmocka_unit_test(each_group_can_be_the_only_one),
		cmocka_unit_test(a_client_that_sends_another_share_first_is_asked_again),
		cmocka_unit_test(x25519_alone_is_taken_or_refused_as_was_chosen),
		cmocka_unit_test(the_server_chooses_the_protocol_and_refuses_strangers),
		cmocka_unit_test(nothing_below_tls_1_3_and_no_ticket),
		cmocka_unit_test(settings_that_make_no_sense_are_refused),
		cmocka_unit_test(wrong_domains_and_names_are_refused_both_ways),
		cmocka_unit_test(expired_and_early_certificates_are_refused_both_ways),
		cmocka_unit_test(another_authority_is_refused_both_ways),
		cmocka_unit_test(two_names_and_authorities_as_leaves_are_refused_both_ways),
		cmocka_unit_test(a_chain_that_is_too_long_is_refused_both_ways),
		cmocka_unit_test(a_revoked_node_is_refused_both_ways),
		cmocka_unit_test(another_node_than_expected_is_refused_both_ways),
		cmocka_unit_test(policy_has_the_last_word),
		cmocka_unit_test(a_client_without_certificate_is_refused_unless_nobody_asks),
		cmocka_unit_test(who_verifies_nothing_is_told_so),
		cmocka_unit_test(who_verifies_nothing_sees_the_leaf_of_any_chain),
		cmocka_unit_test(a_damaged_client_share_is_refused_with_an_alert),
		cmocka_unit_test(a_damaged_server_share_ends_the_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
