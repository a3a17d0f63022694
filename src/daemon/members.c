/* SPDX-License-Identifier: Apache-2.0 */
/* The membership while the daemon runs: requests granted, certificates renewed, keys kept. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/daemon_internal.h"

void members_issue(struct daemon *d, const struct node_issue *issue)
{
	CLEANUP_FREE uint8_t *answer = malloc(MEMBERSHIP_LEN_MAX);
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	char name[NODE_NAME_MAX + 1];
	enum membership_status status;
	const struct token_entry *tokens;
	size_t n_tokens;
	size_t len;
	size_t n;

	if (!answer || !d->authority)
		return;
	n = node_network_keys(d->node, keys);
	authority_grant(d->authority, issue, d->policy, keys, n, node_revocations(d->node),
			daemon_unix_ms(d) / 1000, answer, MEMBERSHIP_LEN_MAX, &len, name, &status);
	tokens = authority_tokens(d->authority, &n_tokens);
	node_set_tokens(d->node, tokens, n_tokens);
	if (status == MEMBERSHIP_GRANTED)
		log_notice(d->log, issue->is_join ? "node_admitted" : "certificate_renewed",
			   log_str("node", name));
	else
		log_warning(d->log, issue->is_join ? "join_refused" : "renewal_refused",
			    log_str("node", name), log_str("why", membership_status_text(status)));
	if (status == MEMBERSHIP_GRANTED && issue->is_join)
		ledger_notice(d, NULL, "node admitted", name, "by invitation");
	node_issue_answer(d->node, issue->request, SPAN(answer, len), loop_now_us());
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(answer, MEMBERSHIP_LEN_MAX);
}

static void use_member(struct daemon *d, struct member *fresh)
{
	struct member *old = d->member;
	struct hs_identity identity = {
		.chain = fresh->is.chain,
		.n_chain = fresh->is.n_chain,
		.key = fresh->key,
		.node_id = fresh->node_id,
		.boot_epoch = node_boot_epoch(d->node),
		.not_after_s = fresh->not_after_s,
	};

	memcpy(identity.spiffe_id, fresh->is.spiffe_id, sizeof(identity.spiffe_id));
	if (d->authority)
		identity.root = authority_root(d->authority);
	node_set_identity(d->node, &identity);
	d->member = fresh;
	if (d->authority)
		authority_set_member(d->authority, fresh);
	jobs_retire(old);
}

/* A renewal changes certificates and nothing else: whoever could change the roots by it could
 * take the node to a domain of his own. */
static bool trusts_the_same(const struct membership *a, const struct membership *b)
{
	if (a->n_roots != b->n_roots || strcmp(a->authority, b->authority) != 0)
		return false;
	for (size_t i = 0; i < a->n_roots; i++)
		if (a->roots[i].len != b->roots[i].len ||
		    memcmp(a->roots[i].at, b->roots[i].at, a->roots[i].len) != 0)
			return false;
	return true;
}

static int renewed_member(struct daemon *d, const struct membership *is, struct member **ret,
			  struct store_error *e)
{
	int64_t now_s = daemon_unix_ms(d) / 1000;
	int r = member_check(d->ops, is, d->member->domain, d->member->key, d->member->key_p256,
			     now_s, e);

	if (r == 0)
		r = member_save(d->store, is, NULL, NULL, e);
	return r < 0 ? r : member_load_again(d->store, d->ops, d->member, ret, e);
}

/* Keeps a renewed certificate and goes on with it. The old one stays if anything is wrong. */
static bool take_renewal(struct daemon *d, struct span answer)
{
	struct member *fresh = NULL;
	struct membership is;
	struct store_error e;
	int r;

	if (membership_decode(answer, &is) < 0) {
		log_error(d->log, "renewal_failed", log_str("why", "the answer is damaged"));
		return false;
	}
	if (is.status != MEMBERSHIP_GRANTED) {
		log_error(d->log, "renewal_refused",
			  log_str("why", membership_status_text(is.status)));
		return false;
	}
	if (strcmp(is.spiffe_id, d->member->is.spiffe_id) != 0 ||
	    !trusts_the_same(&is, &d->member->is)) {
		bytes_wipe(is.keys, sizeof(is.keys));
		log_error(d->log, "renewal_failed",
			  log_str("why", "the answer is for another node or another authority"));
		return false;
	}
	/* Network keys and revocations have ways of their own, and may have overtaken this. */
	bytes_wipe(is.keys, sizeof(is.keys));
	is.n_keys = node_network_keys(d->node, is.keys);
	is.revocations = node_revocations(d->node);
	r = renewed_member(d, &is, &fresh, &e);
	bytes_wipe(is.keys, sizeof(is.keys));
	if (r < 0) {
		log_error(d->log, "renewal_failed", log_str("why", e.text));
		return false;
	}
	use_member(d, fresh);
	log_notice(d->log, "certificate_renewed", log_i64("not_after_s", fresh->not_after_s));
	return true;
}

void members_renewed(struct daemon *d, struct span answer)
{
	bool is_taken = take_renewal(d, answer);

	d->n_renewals += is_taken;
	d->n_renewals_failed += !is_taken;
}

/* The node's network keys or revocations changed: the membership is written again. */
void members_store(struct daemon *d)
{
	struct membership is = d->member->is;
	struct store_error e;

	is.n_keys = node_network_keys(d->node, is.keys);
	is.revocations = node_revocations(d->node);
	d->owes_membership = member_save(d->store, &is, NULL, NULL, &e) < 0;
	if (d->owes_membership)
		log_error(d->log, "membership_not_kept", log_str("why", e.text));
	memcpy(d->member->is.keys, is.keys, sizeof(is.keys));
	d->member->is.n_keys = is.n_keys;
	bytes_wipe(is.keys, sizeof(is.keys));
}

static void renew_own_authority(struct daemon *d, const struct member_request *r)
{
	CLEANUP_FREE uint8_t *answer = malloc(MEMBERSHIP_LEN_MAX);
	struct node_issue issue = { .csr_mldsa = SPAN(r->csr_mldsa.at, r->csr_mldsa.len),
				    .csr_p256 = SPAN(r->csr_p256.at, r->csr_p256.len) };
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	char name[NODE_NAME_MAX + 1];
	enum membership_status status;
	size_t len;
	size_t n;

	if (!answer)
		return;
	memcpy(issue.spiffe_id, d->member->is.spiffe_id, sizeof(issue.spiffe_id));
	n = node_network_keys(d->node, keys);
	authority_grant(d->authority, &issue, d->policy, keys, n, node_revocations(d->node),
			daemon_unix_ms(d) / 1000, answer, MEMBERSHIP_LEN_MAX, &len, name, &status);
	members_renewed(d, SPAN(answer, len));
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(answer, MEMBERSHIP_LEN_MAX);
}

static void renew(struct daemon *d)
{
	struct member_request r;
	int e;

	if (member_request_for(d->member, &r) < 0)
		return;
	if (d->authority) {
		renew_own_authority(d, &r);
	} else {
		e = node_renew(d->node, node_id_of(d->ops, d->member->is.authority),
			       SPAN(r.csr_mldsa.at, r.csr_mldsa.len),
			       SPAN(r.csr_p256.at, r.csr_p256.len), loop_now_us());
		if (e < 0)
			log_info(d->log, "renewal_waits", log_str("for", d->member->is.authority));
	}
	member_request_done(&r);
}

/* Once a minute: past half of the certificate's life it is renewed. */
void members_tick(struct daemon *d)
{
	const struct member *m = d->member;
	int64_t now_s = daemon_unix_ms(d) / 1000;

	if (d->owes_membership)
		members_store(d); /* the disk may have room again */
	disk_save_clock(d, now_s);
	if (now_s >= m->not_before_s + (m->not_after_s - m->not_before_s) / 2)
		renew(d);
}
