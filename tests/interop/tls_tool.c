/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for the TLS tests, good ones and bad ones, by the authority of a mesh that `x0 init`
 *has founded; and that mesh's revocation of a node, as its daemon would have spread it.
 *
 *	tls_tool make STATE_DIR DOMAIN OUT_DIR
 *	tls_tool revoke STATE_DIR SPIFFE_ID */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "daemon/member.h"
#include "shell/openssl/pki.h"

#define DAY 86400

static struct store_error error = { .text = "" };

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "tls_tool: %s: %d %s\n", what, r, error.text);
	exit(1);
}

static void write_file(const char *dir, const char *name, const struct buffer *b)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(b->at, 1, b->len, f) != b->len || fclose(f) != 0)
		must(-1, path);
}

static void write_cert(const char *dir, const char *name, struct span der)
{
	struct buffer pem = { 0 };

	must(pki_certs_to_pem(&der, 1, &pem), name);
	write_file(dir, name, &pem);
	buffer_done(&pem);
}

/* ---- make ---- */

struct maker {
	const char *domain, *out;
	struct signing_key *authority, *stranger, *node;
	struct store_value root;
	struct buffer other_root;
	struct buffer csr;
	int64_t now_s;
};

static struct buffer issue(const struct maker *m, bool is_stranger, const char *domain,
			   int64_t now_s, int64_t lifetime_s)
{
	char id[SPIFFE_ID_SIZE];
	const struct svid_terms terms = {
		.spiffe_id = id, .name = "beta", .now_s = now_s, .lifetime_s = lifetime_s
	};
	struct buffer der = { 0 };

	must(spiffe_id_format(domain, "beta", id), "SPIFFE ID");
	must(pki_issue_svid(is_stranger ? m->stranger : m->authority,
			    is_stranger ? SPAN(m->other_root.at, m->other_root.len)
					: store_value_span(&m->root),
			    SPAN(m->csr.at, m->csr.len), &terms, &kernel_entropy, &der),
	     "SVID");
	return der;
}

static void write_issued(const struct maker *m, const char *name, struct buffer der)
{
	write_cert(m->out, name, SPAN(der.at, der.len));
	buffer_done(&der);
}

/* Beta's SVID with one extension changed, signed anew. */
static void write_changed(const struct maker *m, const char *name, int nid, const char *value)
{
	struct buffer der = issue(m, false, m->domain, m->now_s, DAY);
	const unsigned char *at = der.at;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	unsigned char *changed = NULL;
	int len;

	if (!x || !extension)
		must(-1, name);
	X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, nid, -1)));
	if (X509_add_ext(x, extension, -1) != 1 ||
	    X509_sign(x, signing_key_pkey(m->authority), EVP_sha256()) <= 0)
		must(-1, name);
	len = i2d_X509(x, &changed);
	must(len, name);
	write_cert(m->out, name, SPAN(changed, (size_t)len));
	OPENSSL_free(changed);
	X509_EXTENSION_free(extension);
	X509_free(x);
	buffer_done(&der);
}

static void make(struct store *s, const char *domain, const char *out)
{
	struct maker m = { .domain = domain, .out = out, .now_s = (int64_t)time(NULL) };
	struct buffer key = { 0 };
	char two_uris[2 * SPIFFE_ID_SIZE];

	must(member_load_key(s, STORE_AUTHORITY_P256_KEY, KEY_P256, &m.authority, &error),
	     "authority");
	must(store_read(s, STORE_ROOT_P256, &m.root, &error), "root");
	must(signing_key_new_p256(&m.stranger), "key");
	must(signing_key_new_p256(&m.node), "key");
	must(pki_make_root(m.stranger, domain, m.now_s, &kernel_entropy, &m.other_root), "root");
	must(pki_make_csr(m.node, "beta", &m.csr), "request");
	must(signing_key_to_pem(m.node, &key), "key");
	write_file(out, "node.key", &key);
	write_cert(out, "root.pem", store_value_span(&m.root));
	write_cert(out, "other-root.pem", SPAN(m.other_root.at, m.other_root.len));

	write_issued(&m, "beta.pem", issue(&m, false, domain, m.now_s, DAY));
	write_issued(&m, "stranger.pem", issue(&m, true, domain, m.now_s, DAY));
	write_issued(&m, "other-domain.pem", issue(&m, false, "other.mesh", m.now_s, DAY));
	write_issued(&m, "expired.pem", issue(&m, false, domain, m.now_s - 100, 50));
	write_issued(&m, "early.pem", issue(&m, false, domain, m.now_s + DAY, DAY));
	(void)snprintf(two_uris, sizeof(two_uris),
		       "URI:spiffe://%s/node/beta,URI:spiffe://%s/node/alpha", domain, domain);
	write_changed(&m, "two-uris.pem", NID_subject_alt_name, two_uris);
	write_changed(&m, "ca.pem", NID_basic_constraints, "critical,CA:TRUE");

	buffer_done(&key);
	buffer_done(&m.csr);
	buffer_done(&m.other_root);
	store_value_done(&m.root);
	signing_key_free(m.authority);
	signing_key_free(m.stranger);
	signing_key_free(m.node);
}

/* ---- revoke ---- */

static void revoke(struct store *s, const struct crypto_ops *ops, const char *spiffe_id)
{
	static uint8_t bytes[MLDSA65_SIG_LEN + 256];
	const struct revoked entry = { .node_id = node_id_of(ops, spiffe_id) };
	struct revocation_list list = { .number = 1 };
	struct signing_key *authority = NULL;
	struct member *m = NULL;
	uint8_t rnd[MLDSA65_RND_LEN];
	int len;

	must(member_load(s, ops, &m, &error), "membership");
	must(member_load_key(s, STORE_AUTHORITY_MLDSA_KEY, KEY_MLDSA65, &authority, &error), "key");
	must(revocation_add(&list, &entry), "list");
	len = revocation_encode(&list, bytes, sizeof(bytes) - MLDSA65_SIG_LEN);
	must(len, "list");
	entropy_fill(&kernel_entropy, rnd, sizeof(rnd));
	must(ops->mldsa65_sign(authority, SPAN(bytes, (size_t)len), SPAN_STR(REVOCATION_CONTEXT),
			       rnd, bytes + len),
	     "signature");
	m->is.revocations = SPAN(bytes, (size_t)len + MLDSA65_SIG_LEN);
	must(member_save(s, &m->is, NULL, NULL, &error), "membership");
	revocation_done(&list);
	signing_key_free(authority);
	member_free(m);
}

int main(int argc, char **argv)
{
	const char *why = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&why);
	struct store *s = NULL;

	if (!ops || argc < 4) {
		(void)fprintf(stderr, "usage: tls_tool make|revoke STATE_DIR ... %s\n", why);
		return 2;
	}
	must(store_open(argv[2], STORE_OWN, &s, &error), argv[2]);
	if (strcmp(argv[1], "make") == 0 && argc == 5)
		make(s, argv[3], argv[4]);
	else if (strcmp(argv[1], "revoke") == 0)
		revoke(s, ops, argv[3]);
	store_close(s);
	return 0;
}
