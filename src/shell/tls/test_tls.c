/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends in one process, over memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/ssl.h>

#include "shell/tls/test_certificates.h"
#include "shell/tls/tls.h"

#define NOW_S INT64_C(1800000000) /* 2027 */
#define DAY_S 86400
#define TURNS_MAX 20

static struct test_authority authority, stranger;
static struct test_identity alpha, beta;
static struct trust trust;
static bool accepts;

static const struct test_leaf good = {
	.uris = { TEST_ID },
	.not_before_s = NOW_S - DAY_S,
	.not_after_s = NOW_S + DAY_S,
};

static int64_t now(void *arg)
{
	(void)arg;
	return NOW_S;
}

static bool accept_peer(void *arg, const struct peer_identity *peer)
{
	(void)arg;
	(void)peer;
	return accepts;
}

static int make_domain(void **state)
{
	const char *error = NULL;
	struct test_leaf other = good;

	(void)state;
	other.uris[0] = "spiffe://test.mesh/node/beta";
	trust = (struct trust){ .ops = openssl_crypto_ops(&error), .is_p256 = true, .n_roots = 1 };
	(void)snprintf(trust.domain, sizeof(trust.domain), "%s", TEST_DOMAIN);
	if (!trust.ops || test_authority_make(TEST_DOMAIN, NOW_S - DAY_S, &authority) < 0 ||
	    test_authority_make(TEST_DOMAIN, NOW_S - DAY_S, &stranger) < 0 ||
	    test_identity_make(&authority, &good, &alpha) < 0 ||
	    test_identity_make(&authority, &other, &beta) < 0)
		return -1;
	trust.roots[0] = authority.root_span;
	return 0;
}

static int free_domain(void **state)
{
	(void)state;
	test_identity_done(&alpha);
	test_identity_done(&beta);
	test_authority_done(&authority);
	test_authority_done(&stranger);
	return 0;
}

static int reset(void **state)
{
	(void)state;
	accepts = true;
	revocation_done(&trust.revoked);
	return 0;
}

/* ---- two ends ---- */

struct pair {
	SSL_CTX *contexts[2];
	SSL *ends[2]; /* server, client */
};

enum {
	SERVER,
	CLIENT
};

static struct tls_config config_of(int end, const struct test_identity *identity,
				   enum tls_groups groups)
{
	return (struct tls_config){
		.is_server = end == SERVER,
		.groups = groups,
		.chain = identity ? &identity->chain : NULL,
		.n_chain = identity ? 1 : 0,
		.key = identity ? identity->key : NULL,
		.trust = &trust,
		.unix_s = now,
		.accept = accept_peer,
	};
}

static void open_end(struct pair *p, int end, const struct tls_config *c)
{
	char why[TLS_WHY_SIZE] = "";

	p->contexts[end] = tls_context_new(c, why);
	assert_string_equal(why, "");
	p->ends[end] = SSL_new(p->contexts[end]);
	assert_non_null(p->ends[end]);
}

static void connect_pair(struct pair *p)
{
	BIO *server, *client;

	assert_int_equal(BIO_new_bio_pair(&server, 1 << 16, &client, 1 << 16), 1);
	SSL_set_bio(p->ends[SERVER], server, server);
	SSL_set_bio(p->ends[CLIENT], client, client);
	SSL_set_accept_state(p->ends[SERVER]);
	SSL_set_connect_state(p->ends[CLIENT]);
}

/* Both handshakes and then a byte to the client, for in TLS 1.3 a client is done before the
 * server has looked at its certificate. */
static bool shake(struct pair *p)
{
	bool server_done = false, client_done = false;
	char byte = 'x';

	for (int i = 0; i < TURNS_MAX && !(server_done && client_done); i++) {
		if (!client_done)
			client_done = SSL_do_handshake(p->ends[CLIENT]) == 1;
		if (!server_done)
			server_done = SSL_do_handshake(p->ends[SERVER]) == 1;
	}
	return server_done && client_done && SSL_write(p->ends[SERVER], &byte, 1) == 1 &&
	       SSL_read(p->ends[CLIENT], &byte, 1) == 1;
}

static void close_pair(struct pair *p)
{
	for (int end = 0; end < 2; end++) {
		SSL_free(p->ends[end]);
		SSL_CTX_free(p->contexts[end]);
	}
}

static void open_pair(struct pair *p, enum tls_groups server, enum tls_groups client)
{
	struct tls_config s = config_of(SERVER, &alpha, server);
	struct tls_config c = config_of(CLIENT, &beta, client);

	open_end(p, SERVER, &s);
	open_end(p, CLIENT, &c);
	connect_pair(p);
}

static void expect_group(const struct pair *p, uint16_t code_point, const char *name)
{
	for (int end = 0; end < 2; end++) {
		struct tls_description d;

		tls_describe(p->ends[end], &d);
		assert_true(d.is_done);
		assert_string_equal(d.version, "TLSv1.3");
		assert_int_equal(d.code_point, code_point);
		assert_string_equal(d.group, name);
		assert_true(d.is_hybrid == (code_point >= 0x11eb));
	}
}

/* ---- tests ---- */

static void members_agree_on_a_hybrid_group_and_know_each_other(void **state)
{
	struct tls_description d;
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
	assert_int_equal(tls_expect(p.ends[CLIENT], TEST_ID), 0);
	assert_true(shake(&p));
	expect_group(&p, 0x11ec, "X25519MLKEM768");
	tls_describe(p.ends[SERVER], &d);
	assert_true(d.has_peer);
	assert_string_equal(d.peer.spiffe_id, "spiffe://test.mesh/node/beta");
	assert_string_equal(d.suite, "TLS_AES_256_GCM_SHA384");
	tls_describe(p.ends[CLIENT], &d);
	assert_string_equal(d.peer.name, "alpha");
	close_pair(&p);
}

static void the_groups_over_curves_work(void **state)
{
	static const struct {
		uint16_t code_point;
		const char *name;
	} rows[] = { { 0x11eb, "SecP256r1MLKEM768" }, { 0x11ed, "SecP384r1MLKEM1024" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p;

		open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
		assert_int_equal(SSL_set1_groups_list(p.ends[CLIENT], rows[i].name), 1);
		assert_true(shake(&p));
		expect_group(&p, rows[i].code_point, rows[i].name);
		close_pair(&p);
	}
}

static void a_client_that_guessed_wrong_is_asked_again(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_ANY);
	assert_int_equal(SSL_set1_groups_list(p.ends[CLIENT], "X25519:X25519MLKEM768"), 1);
	assert_true(shake(&p));
	expect_group(&p, 0x11ec, "X25519MLKEM768");
	close_pair(&p);
}

static void a_classic_group_is_for_those_who_allow_it(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_ANY, TLS_GROUPS_CLASSIC);
	assert_true(shake(&p));
	expect_group(&p, 0x001d, "x25519");
	close_pair(&p);
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_CLASSIC);
	assert_false(shake(&p));
	close_pair(&p);
}

static void an_older_version_is_refused(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_ANY, TLS_GROUPS_ANY);
	(void)SSL_set_min_proto_version(p.ends[CLIENT], TLS1_2_VERSION);
	(void)SSL_set_max_proto_version(p.ends[CLIENT], TLS1_2_VERSION);
	assert_false(shake(&p));
	close_pair(&p);
}

static void no_session_can_be_resumed(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
	assert_true(shake(&p));
	assert_int_equal(SSL_SESSION_is_resumable(SSL_get_session(p.ends[CLIENT])), 0);
	close_pair(&p);
}

/* Each wrong certificate, shown by the client and by the server: refused, and called by name. */
static void expect_refused(const struct test_identity *wrong, enum identity_fault fault)
{
	for (int end = 0; end < 2; end++) {
		struct tls_config s =
			config_of(SERVER, end == SERVER ? wrong : &alpha, TLS_GROUPS_HYBRID);
		struct tls_config c =
			config_of(CLIENT, end == CLIENT ? wrong : &beta, TLS_GROUPS_HYBRID);
		struct tls_description d;
		char why[TLS_WHY_SIZE];
		struct pair p;

		open_end(&p, SERVER, &s);
		open_end(&p, CLIENT, &c);
		connect_pair(&p);
		assert_false(shake(&p));
		tls_describe(p.ends[!end], &d);
		assert_false(d.has_peer);
		assert_int_equal(d.refusal, TLS_REFUSED_CERTIFICATE);
		assert_int_equal(d.fault, fault);
		tls_explain(p.ends[!end], why);
		assert_non_null(strstr(why, identity_fault_text(fault)));
		close_pair(&p);
	}
}

static void wrong_certificates_are_refused_by_both_ends(void **state)
{
	static const struct {
		struct test_leaf leaf;
		enum identity_fault fault;
	} rows[] = {
		{ { { TEST_ID }, false, NOW_S - 2 * DAY_S, NOW_S - 1 }, IDENTITY_EXPIRED },
		{ { { TEST_ID }, false, NOW_S + 60, NOW_S + DAY_S }, IDENTITY_NOT_YET_VALID },
		{ { { "spiffe://other.mesh/node/alpha" }, false, NOW_S - DAY_S, NOW_S + DAY_S },
		  IDENTITY_WRONG_DOMAIN },
		{ { { TEST_ID, "spiffe://test.mesh/node/beta" },
		    false,
		    NOW_S - DAY_S,
		    NOW_S + DAY_S },
		  IDENTITY_NAMES },
		{ { { NULL }, false, NOW_S - DAY_S, NOW_S + DAY_S }, IDENTITY_NAMES },
		{ { { "https://test.mesh/node/alpha" }, false, NOW_S - DAY_S, NOW_S + DAY_S },
		  IDENTITY_SPIFFE_ID },
		{ { { TEST_ID }, true, NOW_S - DAY_S, NOW_S + DAY_S }, IDENTITY_IS_CA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_identity wrong;

		assert_int_equal(test_identity_make(&authority, &rows[i].leaf, &wrong), 0);
		expect_refused(&wrong, rows[i].fault);
		test_identity_done(&wrong);
	}
}

static void another_authority_of_the_same_name_is_refused(void **state)
{
	struct test_identity wrong;

	(void)state;
	assert_int_equal(test_identity_make(&stranger, &good, &wrong), 0);
	expect_refused(&wrong, IDENTITY_NO_PATH);
	test_identity_done(&wrong);
}

static void a_revoked_node_is_refused(void **state)
{
	struct revoked who = { .node_id = node_id_of(trust.ops, "spiffe://test.mesh/node/beta") };
	struct tls_description d;
	struct pair p;

	(void)state;
	assert_int_equal(revocation_add(&trust.revoked, &who), 0);
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
	assert_false(shake(&p));
	tls_describe(p.ends[SERVER], &d);
	assert_int_equal(d.fault, IDENTITY_REVOKED);
	close_pair(&p);
}

static void a_client_without_certificate_is_refused(void **state)
{
	struct tls_config s = config_of(SERVER, &alpha, TLS_GROUPS_HYBRID);
	struct tls_config c = config_of(CLIENT, NULL, TLS_GROUPS_HYBRID);
	struct pair p;

	(void)state;
	open_end(&p, SERVER, &s);
	open_end(&p, CLIENT, &c);
	connect_pair(&p);
	assert_false(shake(&p));
	close_pair(&p);
}

static void another_member_than_expected_is_refused(void **state)
{
	struct tls_description d;
	struct pair p;

	(void)state;
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
	assert_int_equal(tls_expect(p.ends[CLIENT], "spiffe://test.mesh/node/gamma"), 0);
	assert_false(shake(&p));
	tls_describe(p.ends[CLIENT], &d);
	assert_int_equal(d.refusal, TLS_REFUSED_UNEXPECTED);
	close_pair(&p);
}

static void policy_has_the_last_word(void **state)
{
	struct tls_description d;
	struct pair p;

	(void)state;
	accepts = false;
	open_pair(&p, TLS_GROUPS_HYBRID, TLS_GROUPS_HYBRID);
	assert_false(shake(&p));
	tls_describe(p.ends[CLIENT], &d);
	assert_int_equal(d.refusal, TLS_REFUSED_POLICY);
	close_pair(&p);
}

static void a_protocol_is_agreed_on_or_the_connection_refused(void **state)
{
	static const char *const offers[] = { "http/1.1", "h2" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls_config s = config_of(SERVER, &alpha, TLS_GROUPS_HYBRID);
		struct tls_config c = config_of(CLIENT, &beta, TLS_GROUPS_HYBRID);
		struct tls_description d;
		struct pair p;

		s.alpn = "http/1.1";
		c.alpn = offers[i];
		open_end(&p, SERVER, &s);
		open_end(&p, CLIENT, &c);
		connect_pair(&p);
		assert_true(shake(&p) == (i == 0));
		tls_describe(p.ends[SERVER], &d);
		assert_string_equal(d.alpn, i == 0 ? "http/1.1" : "");
		close_pair(&p);
	}
}

static void a_server_without_certificate_is_not_made(void **state)
{
	struct tls_config s = config_of(SERVER, NULL, TLS_GROUPS_HYBRID);
	struct tls_config mixed = config_of(SERVER, &alpha, TLS_GROUPS_HYBRID);
	char why[TLS_WHY_SIZE];

	(void)state;
	assert_null(tls_context_new(&s, why));
	assert_non_null(strstr(why, "certificate"));
	mixed.key = beta.key;
	assert_null(tls_context_new(&mixed, why));
	assert_non_null(strstr(why, "key"));
}

/* Whatever arrives, the server ends the connection or waits; it never finishes. */
static void a_garbled_hello_is_refused(void **state)
{
	unsigned char hello[4096];

	(void)state;
	for (size_t at = 0; at < 2000; at += 7) {
		struct tls_config s = config_of(SERVER, &alpha, TLS_GROUPS_HYBRID);
		struct tls_config c = config_of(CLIENT, &beta, TLS_GROUPS_HYBRID);
		BIO *in = BIO_new(BIO_s_mem());
		BIO *out = BIO_new(BIO_s_mem());
		struct pair p;

		open_end(&p, SERVER, &s);
		open_end(&p, CLIENT, &c);
		SSL_set_bio(p.ends[CLIENT], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_connect_state(p.ends[CLIENT]);
		(void)SSL_do_handshake(p.ends[CLIENT]);
		int len = BIO_read(SSL_get_wbio(p.ends[CLIENT]), hello, sizeof(hello));

		assert_true(len > 1300);
		hello[at % (size_t)len] ^= 0x55;
		(void)BIO_write(in, hello, len);
		SSL_set_bio(p.ends[SERVER], in, out);
		SSL_set_accept_state(p.ends[SERVER]);
		assert_true(SSL_do_handshake(p.ends[SERVER]) != 1);
		assert_false(SSL_is_init_finished(p.ends[SERVER]));
		close_pair(&p);
	}
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(members_agree_on_a_hybrid_group_and_know_each_other),
		TEST(the_groups_over_curves_work),
		TEST(a_client_that_guessed_wrong_is_asked_again),
		TEST(a_classic_group_is_for_those_who_allow_it),
		TEST(an_older_version_is_refused),
		TEST(no_session_can_be_resumed),
		TEST(wrong_certificates_are_refused_by_both_ends),
		TEST(another_authority_of_the_same_name_is_refused),
		TEST(a_revoked_node_is_refused),
		TEST(a_client_without_certificate_is_refused),
		TEST(another_member_than_expected_is_refused),
		TEST(policy_has_the_last_word),
		TEST(a_protocol_is_agreed_on_or_the_connection_refused),
		TEST(a_server_without_certificate_is_not_made),
		TEST(a_garbled_hello_is_refused),
	};

	return cmocka_run_group_tests(tests, make_domain, free_domain);
}
