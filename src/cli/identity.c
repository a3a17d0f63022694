/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 svid` and `x0 bundle`: certificates, from the daemon or from the disk. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "core/node/membership.h"
#include "shell/openssl/pki.h"
#include "shell/store/store.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)

/* The membership as it is on the disk; is borrows from bytes. */
struct kept {
	struct store_value bytes;
	struct membership is;
};

static void kept_done(struct kept *k)
{
	store_value_done(&k->bytes);
	bytes_wipe(k->is.keys, sizeof(k->is.keys));
}

static int read_kept(struct cli *c, struct kept *ret)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(store_closep) struct store *s = NULL;
	struct store_error e;
	int r = cli_config_or_default(c, &config);

	if (r != 0)
		return r;
	r = access(config->state_dir, F_OK) < 0 ? -errno : 0;
	if (r == 0)
		r = store_open(config->state_dir, STORE_LOOK, &s, &e);
	else
		(void)snprintf(e.text, sizeof(e.text), "cannot open %s: %s", config->state_dir,
			       strerror(-r));
	if (r == 0)
		r = store_read(s, STORE_MEMBERSHIP, &ret->bytes, &e);
	if (r == -ENOENT)
		return cli_fail(c, CLI_FAILED, "not_a_member",
				"this machine is not a member of a mesh; found one: x0 init "
				"--domain NAME, or join one: x0 join x0://...");
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s%s", e.text,
				geteuid() != 0 && setup_exit_of(r) == CLI_DENIED
					? "; as root: sudo x0 ..."
					: "");
	if (membership_decode(store_value_span(&ret->bytes), &ret->is) < 0 ||
	    ret->is.status != MEMBERSHIP_GRANTED)
		return cli_fail(c, CLI_FAILED, "state",
				"the file membership is damaged; see: x0 doctor");
	return 0;
}

static json_t *pem_json(const struct span *certs, size_t n)
{
	struct buffer pem = { 0 };
	json_t *text;

	if (n == 0 || pki_certs_to_pem(certs, n, &pem) < 0)
		return json_null();
	text = json_stringn((const char *)pem.at, pem.len);
	buffer_done(&pem);
	return text;
}

static void print_pem(struct cli *c, const struct span *certs, size_t n)
{
	struct buffer pem = { 0 };

	if (n == 0 || pki_certs_to_pem(certs, n, &pem) < 0)
		return;
	(void)fwrite(pem.at, 1, pem.len, c->out);
	buffer_done(&pem);
}

/* ---- svid ---- */

static int svid_pem(struct cli *c)
{
	struct kept k = { 0 };
	int r = read_kept(c, &k);

	if (r == 0 && !c->is_json) {
		print_pem(c, k.is.chain, k.is.n_chain);
		print_pem(c, k.is.chain_p256, k.is.n_chain_p256);
	}
	if (r == 0)
		cli_json(c, json_pack("{s:s, s:o, s:o}", "spiffe_id", k.is.spiffe_id, "mldsa65_pem",
				      pem_json(k.is.chain, k.is.n_chain), "p256_pem",
				      pem_json(k.is.chain_p256, k.is.n_chain_p256)));
	kept_done(&k);
	return r;
}

int verb_svid(struct cli *c)
{
	json_t *answer = NULL;
	int r;

	if (c->n_args > 0 && strcmp(c->args[0], "show") != 0)
		return cli_usage(c, "show, not \"%s\"", c->args[0]);
	if (cli_given(c, "pem"))
		return svid_pem(c);
	r = cli_call(c, "svid", NULL, &answer);
	if (r != 0)
		return r;
	if (!c->is_json)
		view_svid(c, answer);
	cli_json(c, answer);
	return 0;
}

/* ---- bundle ---- */

static json_t *root_json(const struct crypto_ops *ops, const struct span *root)
{
	uint8_t hash[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	struct cert cert;

	if (ops->cert_read(*root, &cert) < 0)
		return json_null();
	ops->sha256(root, 1, hash);
	bytes_to_hex(hash, sizeof(hash), hex);
	return json_pack("{s:s, s:s, s:I, s:I, s:o}", "algorithm",
			 cert.is_mldsa65 ? "ML-DSA-65" : "ECDSA P-256", "sha256", hex,
			 "not_before_s", (json_int_t)cert.not_before_s, "not_after_s",
			 (json_int_t)cert.not_after_s, "pem", pem_json(root, 1));
}

static int show_bundle(struct cli *c, const struct membership *is)
{
	const char *crypto_error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&crypto_error);
	char domain[DOMAIN_MAX + 1] = "";
	char name[NODE_NAME_MAX + 1];
	json_t *roots = json_array();

	if (!ops) {
		json_decref(roots);
		return cli_fail(c, CLI_FAILED, "crypto", "%s; see: x0 doctor", crypto_error);
	}
	(void)spiffe_id_parse(is->spiffe_id, domain, name);
	for (size_t i = 0; i < is->n_roots; i++)
		(void)json_array_append_new(roots, root_json(ops, &is->roots[i]));
	if (!c->is_json)
		print_pem(c, is->roots, is->n_roots);
	cli_json(c, json_pack("{s:s, s:o}", "domain", domain, "roots", roots));
	return 0;
}

int verb_bundle(struct cli *c)
{
	struct kept k = { 0 };
	int r = read_kept(c, &k);

	if (r == 0)
		r = show_bundle(c, &k.is);
	kept_done(&k);
	return r;
}
