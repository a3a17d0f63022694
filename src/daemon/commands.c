/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of the daemon to do: by the control socket and by the API. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "daemon/daemon_internal.h"

#define INVITE_USES_DEFAULT 1
#define INVITE_LIFETIME_DEFAULT_S 86400

/* Where a joiner may find us: what the configuration announces, then our own addresses. */
static void invite_endpoints(const struct daemon *d, const json_t *extra, struct invite *ret)
{
	struct endpoint own[UDP_ADDRESSES_MAX];
	struct endpoint local = { 0 };
	const json_t *value;
	size_t index;
	int n;

	json_array_foreach(extra, index, value)
	{
		const char *text = json_string_value(value);

		if (text && ret->n_endpoints < INVITE_ENDPOINTS_MAX)
			(void)snprintf(ret->endpoints[ret->n_endpoints++],
				       sizeof(ret->endpoints[0]), "%s", text);
	}
	for (size_t i = 0; i < d->config->n_endpoints; i++)
		if (ret->n_endpoints < INVITE_ENDPOINTS_MAX)
			(void)snprintf(ret->endpoints[ret->n_endpoints++],
				       sizeof(ret->endpoints[0]), "%.79s", d->config->endpoints[i]);
	if (d->n_udp > 0)
		udp_local(d->udp[0], &local);
	n = udp_own_addresses(node_overlay_address(d->node), OVERLAY_PREFIX_BITS,
			      d->options->config->tun_name, local.port, own, UDP_ADDRESSES_MAX);
	for (int i = 0; i < n && i < UDP_ADDRESSES_MAX; i++) {
		char text[ENDPOINT_TEXT_SIZE];

		if (ret->n_endpoints == INVITE_ENDPOINTS_MAX)
			return;
		endpoint_format(&own[i], text);
		(void)snprintf(ret->endpoints[ret->n_endpoints++], sizeof(ret->endpoints[0]), "%s",
			       text);
	}
}

static void fail(struct daemon *d, uint64_t request, const char *code, const char *why)
{
	(void)answer_error(d, request, code, why);
}

/* What only the authority can, and with which command, asked of another node. No command with
 * options of its own is named: the program would put this node's --config into it. */
static void fail_elsewhere(struct daemon *d, uint64_t request, const char *can)
{
	char why[512];

	(void)snprintf(why, sizeof(why), "only the node that holds the authority %s on %.255s", can,
		       d->member->is.authority);
	fail(d, request, "not_authority", why);
}

static bool fail_locked(struct daemon *d, uint64_t request)
{
	if (!d->authority || !authority_is_locked(d->authority))
		return false;
	fail(d, request, "locked",
	     "the authority's keys are locked by their passphrase; unlock them: x0 key unlock");
	return true;
}

void commands_invite(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who)
{
	json_t *uses = json_object_get(args, "uses");
	json_t *lifetime = json_object_get(args, "lifetime_s");
	const char *name = json_string_value(json_object_get(args, "name"));
	json_int_t n_uses = uses ? json_integer_value(uses) : INVITE_USES_DEFAULT;
	struct invite_terms terms = { .lifetime_s = lifetime ? json_integer_value(lifetime)
							     : INVITE_LIFETIME_DEFAULT_S };
	struct invite i = { 0 };
	char text[INVITE_TEXT_MAX];
	char why[64];
	struct store_error e;
	size_t n_tokens;
	int r;

	if (!d->authority) {
		fail_elsewhere(d, request, "can invite: run x0 invite");
		return;
	}
	if (fail_locked(d, request))
		return;
	if (!who->is_owner &&
	    policy_decide_timed(d->policy, who->principal, POLICY_INVITE, "", NULL, loop_now_ns,
				&d->decisions) != POLICY_ALLOW) {
		fail(d, request, "denied",
		     "policy does not let this user invite; see: x0 policy explain uid:N invite");
		return;
	}
	if (name && strlen(name) > NODE_NAME_MAX) {
		fail(d, request, "usage", "the name is too long: at most 63 characters");
		return;
	}
	terms.n_uses = n_uses < 0 || n_uses > UINT32_MAX ? 0 : (uint32_t)n_uses;
	(void)snprintf(terms.name, sizeof(terms.name), "%s", name ? name : "");
	invite_endpoints(d, json_object_get(args, "endpoints"), &i);
	if (i.n_endpoints == 0) {
		fail(d, request, "no_endpoint",
		     "this host has no address another could reach; give one: x0 invite "
		     "--endpoint HOST:PORT");
		return;
	}
	r = authority_invite(d->authority, &terms, daemon_unix_ms(d) / 1000, &i.token, &e);
	const struct token_entry *tokens = authority_tokens(d->authority, &n_tokens);

	node_set_tokens(d->node, tokens, n_tokens); /* they may lie elsewhere now */
	if (r < 0) {
		fail(d, request, r == -EINVAL ? "usage" : "failed", e.text);
		return;
	}
	memcpy(i.domain, d->member->domain, sizeof(i.domain));
	struct span root = authority_root(d->authority);
	struct network_key keys[NODE_NETWORK_KEYS_MAX];

	d->ops->sha256(&root, 1, i.ca);
	(void)node_network_keys(d->node, keys);
	memcpy(i.network_key, keys[0].key, sizeof(i.network_key));
	if (invite_format(&i, text, sizeof(text)) < 0) {
		fail(d, request, "failed",
		     "an endpoint is no host:port, or there are too many; give those that count: "
		     "x0 invite --endpoint HOST:PORT");
	} else {
		json_t *list = json_array();

		for (size_t k = 0; k < i.n_endpoints; k++)
			(void)json_array_append_new(list, json_string(i.endpoints[k]));
		(void)answer_result(d, request,
				    json_pack("{s:s, s:i, s:I, s:o}", "invitation", text, "uses",
					      (int)terms.n_uses, "expires_s",
					      (json_int_t)daemon_unix_ms(d) / 1000 +
						      (json_int_t)terms.lifetime_s,
					      "endpoints", list));
	}
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(&i, sizeof(i));
	bytes_wipe(text, sizeof(text));
	log_notice(d->log, "invited", log_u64("uses", terms.n_uses));
	(void)snprintf(why, sizeof(why), "uses: %u; for %lld s", terms.n_uses,
		       (long long)terms.lifetime_s);
	ledger_notice(d, who->principal, "invitation made", terms.name, why);
}

void commands_revoke(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who)
{
	static const uint8_t any_serial[SERIAL_LEN];
	const char *name = json_string_value(json_object_get(args, "name"));
	const struct store_issued *i;
	struct store_error e;
	int r;

	if (!d->authority) {
		fail_elsewhere(d, request, "can revoke: run it");
		return;
	}
	if (fail_locked(d, request))
		return;
	if (!name || strcmp(name, d->member->name) == 0) {
		fail(d, request, "usage", "name another node: x0 node revoke NAME");
		return;
	}
	i = authority_issued(d->authority, name);
	r = authority_mark_revoked(d->authority, name, &e);
	if (r < 0 && r != -EALREADY) {
		fail(d, request, "failed", e.text);
		return;
	}
	/* Also where it is marked: the daemon may have ended before the list was signed. */
	r = node_revoke(d->node, i->node_id, any_serial, loop_now_us());
	if (r == 0)
		ledger_notice(d, who->principal, "node revoked", name, NULL);
	daemon_drain(d);
	if (r < 0) {
		fail(d, request, "failed",
		     r == -EALREADY ? "it has been revoked already"
				    : "it is marked, but the list could not be signed; try again");
		return;
	}
	log_notice(d->log, "revoked", log_str("node", name));
	(void)answer_result(d, request, json_pack("{s:s}", "revoked", name));
}

void commands_rotate(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who)
{
	int r;

	(void)args;
	if (fail_locked(d, request))
		return;
	r = node_rotate_network_key(d->node, true, loop_now_us());
	if (r == 0)
		ledger_notice(d, who->principal, "new network key asked for", NULL, NULL);
	daemon_drain(d);
	if (r < 0)
		fail_elsewhere(d, request, "can start a new network key: run it");
	else
		(void)answer_result(d, request, json_pack("{s:b}", "rotated", 1));
}

void commands_explain(struct daemon *d, uint64_t request, const json_t *args,
		      const struct asker *who)
{
	const char *from = json_string_value(json_object_get(args, "from"));
	const char *name = json_string_value(json_object_get(args, "action"));
	const char *resource = json_string_value(json_object_get(args, "resource"));
	struct policy_reason reason;
	enum policy_action action;
	enum policy_effect effect;
	char spiffe_id[SPIFFE_ID_SIZE];

	(void)who;
	if (!from || !name || policy_action_parse(name, &action) < 0) {
		fail(d, request, "usage",
		     "who and what: x0 policy explain NODE ACTION [RESOURCE]; actions are session, "
		     "prefix, connect, ping, api, invite, issue, heal, relay");
		return;
	}
	if (!policy_resource_is_asked(action, resource ? resource : "")) {
		char why[256];

		(void)snprintf(why, sizeof(why),
			       "%s is never asked about \"%.60s\"; its resource is %s", name,
			       resource ? resource : "", policy_resource_text(action));
		fail(d, request, "usage", why);
		return;
	}
	if (strchr(from, ':'))
		(void)snprintf(spiffe_id, sizeof(spiffe_id), "%.255s", from);
	else if (spiffe_id_format(d->member->domain, from, spiffe_id) < 0) {
		fail(d, request, "usage", "this is no name of a node");
		return;
	}
	effect = policy_decide(d->policy, spiffe_id, action, resource ? resource : "", &reason);
	(void)answer_result(d, request,
			    json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "effect",
				      effect == POLICY_ALLOW ? "allow" : "deny", "from", spiffe_id,
				      "action", name, "resource", resource ? resource : "", "rule",
				      (int)reason.rule, "line", (int)reason.line, "reason",
				      reason.text));
}

void commands_reload(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who)
{
	char why[DAEMON_WHY_SIZE] = "";
	json_t *report = daemon_reload(d, why);

	(void)args;
	if (report)
		ledger_notice_reload(d, who->principal, report);
	if (report)
		(void)answer_result(d, request, report);
	else
		fail(d, request, "invalid", why);
}

void commands_stop(struct daemon *d, uint64_t request, const json_t *args, const struct asker *who)
{
	(void)args;
	(void)who;
	(void)answer_result(d, request, json_pack("{s:b}", "stopping", 1));
	control_server_process(d->control); /* so that the answer leaves before we do */
	daemon_stop(d, KEEPER_EXIT_DONE);
}
