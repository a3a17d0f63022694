/* SPDX-License-Identifier: Apache-2.0 */
/* As whom `x0 tls` speaks, whom it believes, and how it says what came of it. */
#include "cli/tls.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/prompt.h"
#include "cli/text.h"

#ifndef X0_BUILD_UNIX_S
#define X0_BUILD_UNIX_S 0
#endif

#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_MAX_MS 60000

/* ---- what the verifier asks ---- */

static int64_t side_unix_s(void *arg)
{
	const struct tls_side *s = arg;
	int64_t now_s = (int64_t)time(NULL);

	return now_s > s->clock_floor_s ? now_s : s->clock_floor_s;
}

static bool side_accepts(void *arg, const struct peer_identity *peer)
{
	const struct tls_side *s = arg;

	return policy_decide(s->policy, peer->spiffe_id, POLICY_SESSION, "", NULL) == POLICY_ALLOW;
}

/* ---- membership ---- */

/* The roots for P-256: what SVIDs for TLS come from. */
static int fill_trust(struct tls_side *s)
{
	const struct membership *is = &s->member->is;
	int r = 0;

	s->trust = (struct trust){ .ops = s->ops };
	memcpy(s->trust.domain, s->member->domain, sizeof(s->trust.domain));
	for (size_t i = 0; i < is->n_roots && s->trust.n_roots < BUNDLE_ROOTS_MAX; i++) {
		struct cert c;

		if (s->ops->cert_read(is->roots[i], &c) == 0 && c.is_p256)
			s->trust.roots[s->trust.n_roots++] = is->roots[i];
	}
	trust_set_bundle(&s->trust);
	if (is->revocations.len > 0)
		r = revocation_decode(s->ops, is->revocations, s->member->mldsa_roots,
				      s->member->n_mldsa_roots, &s->trust.revoked);
	if (r < 0)
		return cli_fail(s->c, CLI_FAILED, "state",
				"the revocation list of the membership is damaged; see: x0 doctor");
	return 0;
}

/* Keys with a passphrase: from the file that the option names, else typed. */
static int open_member(struct tls_side *s, struct store_error *e)
{
	CLEANUP(passphrase_done) struct passphrase p = { 0 };
	int r = prompt_passphrase(s->c, "passphrase-file", "Passphrase of this node's keys: ", &p);

	if (r != 0)
		return r;
	r = member_open(s->store, s->ops, SPAN(p.at, p.len), &s->member, e);
	return r < 0 ? cli_fail(s->c, setup_exit_of(r), "passphrase", "%s", e->text) : 0;
}

static int load_member(struct tls_side *s, bool is_server)
{
	struct store_error e = { .text = "" };
	int r = access(s->config->state_dir, F_OK) < 0 ? -errno : 0;

	if (r == 0)
		r = store_open(s->config->state_dir, STORE_LOOK, &s->store, &e);
	if (r == 0)
		r = member_load(s->store, s->ops, &s->member, &e);
	if (r == -ENOKEY)
		r = open_member(s, &e);
	if (r > 0)
		return r; /* said already */
	if (r == 0)
		r = store_clock(s->store, 0, X0_BUILD_UNIX_S, &s->clock_floor_s, &e);
	if (r == -ENOENT)
		return cli_fail(s->c, CLI_FAILED, "not_a_member",
				"this machine is not a member of a mesh, and has no certificate; "
				"found one: x0 init --domain NAME%s",
				is_server ? ""
					  : ", or connect to a stranger without verifying it: x0 "
					    "tls connect HOST:PORT --insecure");
	if (r < 0)
		return cli_fail(
			s->c, setup_exit_of(r), "state", "%s%s", e.text[0] ? e.text : strerror(-r),
			geteuid() != 0 && setup_exit_of(r) == CLI_DENIED ? "; as root: sudo x0 ..."
									 : "");
	return fill_trust(s);
}

/* ---- options ---- */

static int read_expected(struct tls_side *s)
{
	const char *text = cli_value(s->c, "expect");
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];

	if (!text)
		return 0;
	if (!s->judges_peer)
		return cli_usage(s->c, "--expect needs a peer that is verified: not with %s",
				 strcmp(s->c->args[0], "serve") == 0 ? "--anyone" : "--insecure");
	if (spiffe_id_parse(text, domain, name) == 0)
		(void)snprintf(s->expected, sizeof(s->expected), "%s", text);
	else if (spiffe_id_format(s->member->domain, text, s->expected) < 0)
		return cli_usage(s->c, "\"%s\" is neither a node's name nor a SPIFFE ID", text);
	return 0;
}

static int read_groups(struct tls_side *s, struct tls_settings *ret)
{
	ret->group_list = cli_value(s->c, "groups");
	ret->groups = s->config->tls_groups == CONFIG_TLS_HYBRID_ONLY ? TLS_HYBRID_ONLY
								      : TLS_HYBRID_FIRST;
	if (cli_given(s->c, "hybrid-only"))
		ret->groups = TLS_HYBRID_ONLY;
	if (ret->group_list && cli_given(s->c, "hybrid-only"))
		return cli_usage(s->c, "--groups or --hybrid-only, not both");
	return 0;
}

static int make_context(struct tls_side *s, bool is_server)
{
	struct tls_settings settings = { .is_server = is_server, .alpn = cli_value(s->c, "alpn") };
	struct tls_error e;
	int r = read_groups(s, &settings);

	if (r != 0)
		return r;
	if (s->shows_certificate) {
		settings.chain = s->member->is.chain_p256;
		settings.n_chain = s->member->is.n_chain_p256;
		settings.key = s->member->key_p256;
	}
	if (s->judges_peer) {
		s->verifier =
			(struct tls_verifier){ .trust = &s->trust,
					       .expected = s->expected[0] ? s->expected : NULL,
					       .unix_s = side_unix_s,
					       .accepts = side_accepts,
					       .arg = s };
		settings.verifier = &s->verifier;
	}
	r = tls_context_new(&settings, &s->ctx, &e);
	if (r == -EINVAL)
		return cli_usage(s->c, "%s", e.text);
	return r < 0 ? cli_fail(s->c, CLI_FAILED, "tls", "%s; see: x0 doctor", e.text) : 0;
}

static int open_side(struct tls_side *s, bool is_server)
{
	const char *timeout = cli_value(s->c, "timeout");
	const char *error = "";
	int r;

	if (timeout && text_seconds(timeout, 1, TIMEOUT_MAX_MS, &s->timeout_ms) < 0)
		return cli_usage(s->c, "--timeout takes 0.001 to 60 seconds");
	s->ops = openssl_crypto_ops(&error);
	if (!s->ops)
		return cli_fail(s->c, CLI_FAILED, "crypto", "%s; see: x0 doctor", error);
	r = cli_config_or_default(s->c, &s->config);
	if (r != 0)
		return r;
	if (policy_new(s->config->rules, s->config->n_rules, &s->policy) < 0)
		return cli_fail(s->c, CLI_FAILED, "failed", "out of memory");
	if (s->shows_certificate || s->judges_peer)
		r = load_member(s, is_server);
	if (r == 0)
		r = read_expected(s);
	return r == 0 ? make_context(s, is_server) : r;
}

int tls_side_open(struct cli *c, bool is_server, struct tls_side *s)
{
	bool is_insecure = cli_given(c, "insecure") > 0;
	bool is_anonymous = cli_given(c, "no-identity") > 0;
	bool is_anyone = cli_given(c, "anyone") > 0;

	*s = (struct tls_side){ .c = c, .timeout_ms = TIMEOUT_DEFAULT_MS };
	if (is_server && (is_insecure || is_anonymous))
		return cli_usage(c, "--insecure and --no-identity are for connect; a server that "
				    "asks for no certificate: --anyone");
	if (!is_server && is_anyone)
		return cli_usage(c, "--anyone is for serve; to verify nothing: --insecure");
	s->judges_peer = is_server ? !is_anyone : !is_insecure;
	/* To a stranger whom nobody verifies we do not show who we are. */
	s->shows_certificate = is_server || !(is_insecure || is_anonymous);
	return open_side(s, is_server);
}

void tls_side_done(struct tls_side *s)
{
	tls_context_free(s->ctx);
	revocation_done(&s->trust.revoked);
	member_free(s->member);
	store_close(s->store);
	policy_free(s->policy);
	config_free(s->config);
}

/* ---- results ---- */

json_t *tls_summary_json(const struct tls_summary *s)
{
	json_t *peer = json_null();

	if (s->has_peer)
		peer = json_pack("{s:s, s:b, s:I, s:I}", "spiffe_id", s->peer, "is_verified",
				 s->is_verified, "not_before_s", (json_int_t)s->not_before_s,
				 "not_after_s", (json_int_t)s->not_after_s);
	return json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:o}", "version", s->version, "group",
			 s->group_name, "group_id", (int)s->group, "is_hybrid", s->is_hybrid,
			 "suite", s->suite, "alpn", s->alpn, "peer", peer);
}

void tls_summary_tell(struct cli *c, const struct tls_summary *s)
{
	char from[TEXT_SIZE];
	char to[TEXT_SIZE];

	cli_say(c, "  version  %s", s->version);
	cli_say(c, "  group    %s (0x%04X), %s%s%s", s->group_name, s->group,
		cli_colour(c, s->is_hybrid ? CLI_GREEN : CLI_YELLOW),
		s->is_hybrid ? "hybrid with ML-KEM" : "not post-quantum", cli_colour(c, CLI_PLAIN));
	cli_say(c, "  suite    %s", s->suite);
	cli_say(c, "  ALPN     %s", s->alpn[0] ? s->alpn : "none");
	if (!s->has_peer) {
		cli_say(c, "  peer     showed no certificate");
		return;
	}
	cli_say(c, "  peer     %s, %s%s%s",
		s->peer[0]	      ? s->peer
		: s->not_after_s == 0 ? "has a certificate that cannot be read"
				      : "names no URI",
		cli_colour(c, s->is_verified ? CLI_GREEN : CLI_RED),
		s->is_verified ? "verified" : "NOT VERIFIED", cli_colour(c, CLI_PLAIN));
	if (s->not_after_s == 0)
		return;
	text_date(s->not_before_s, from);
	text_date(s->not_after_s, to);
	cli_say(c, "  valid    %s to %s", from, to);
}
