/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, from the control socket and from the API: who may, which handler, and where its answer
 * goes. What can be asked at all is described in src/api. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "daemon/api.h"

/* ---- answers ---- */

int answer_result(struct daemon *d, uint64_t request, json_t *value)
{
	return api_is_request(request) ? api_reply_result(d, request, value)
				       : control_result(d->control, request, value);
}

int answer_error(struct daemon *d, uint64_t request, const char *code, const char *message)
{
	return api_is_request(request) ? api_reply_error(d, request, code, message)
				       : control_error(d->control, request, code, message);
}

int answer_event(struct daemon *d, uint64_t request, json_t *value)
{
	return api_is_request(request) ? api_reply_event(d, request, value)
				       : control_event(d->control, request, value);
}

/* ---- handlers ---- */

typedef void handler(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who);

static void status_verb(struct daemon *d, uint64_t request, const json_t *args,
			const struct asker *who)
{
	answers_status(d, request,
		       who->is_remote || json_is_true(json_object_get(args, "is_brief")));
}

static void ping_verb(struct daemon *d, uint64_t request, const json_t *args,
		      const struct asker *who)
{
	(void)who;
	pings_begin(d, request, args, false);
}

static void trace_verb(struct daemon *d, uint64_t request, const json_t *args,
		       const struct asker *who)
{
	(void)who;
	pings_begin(d, request, args, true);
}

static void resolve_verb(struct daemon *d, uint64_t request, const json_t *args,
			 const struct asker *who)
{
	(void)who;
	names_resolve(d, request, args);
}

static void unlock_verb(struct daemon *d, uint64_t request, const json_t *args,
			const struct asker *who)
{
	(void)who;
	keys_unlock(d, request, args);
}

static void lock_verb(struct daemon *d, uint64_t request, const json_t *args,
		      const struct asker *who)
{
	(void)args;
	(void)who;
	keys_lock(d, request);
}

static void exit_use_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)who;
	networks_exit_use(d, request, args);
}

static void exit_off_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)args;
	(void)who;
	networks_exit_off(d, request);
}

static void topology_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)args;
	(void)who;
	topology_answer(d, request);
}

static void summary_verb(struct daemon *d, uint64_t request, const json_t *args,
			 const struct asker *who)
{
	(void)who;
	summary_answer(d, request, args);
}

static void incidents_verb(struct daemon *d, uint64_t request, const json_t *args,
			   const struct asker *who)
{
	(void)who;
	healing_incidents(d, request, args);
}

static void incident_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)who;
	healing_incident(d, request, args);
}

static void incident_ledger_verb(struct daemon *d, uint64_t request, const json_t *args,
				 const struct asker *who)
{
	(void)who;
	ledger_proofs(d, request, args);
}

static void rates_verb(struct daemon *d, uint64_t request, const json_t *args,
		       const struct asker *who)
{
	(void)args;
	(void)who;
	healing_rates(d, request);
}

static void mandates_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)args;
	(void)who;
	healing_mandates(d, request);
}

static void detectors_verb(struct daemon *d, uint64_t request, const json_t *args,
			   const struct asker *who)
{
	(void)args;
	(void)who;
	healing_detectors(d, request);
}

static void simulate_verb(struct daemon *d, uint64_t request, const json_t *args,
			  const struct asker *who)
{
	(void)who;
	healing_simulate_verb(d, request, args);
}

static const struct {
	const char *verb;
	handler *handle;
} handlers[] = {
	{ "status", status_verb },
	{ "ping", ping_verb },
	{ "trace", trace_verb },
	{ "resolve", resolve_verb },
	{ "topology", topology_verb },
	{ "metrics.summary", summary_verb },
	{ "incidents", incidents_verb },
	{ "incident", incident_verb },
	{ "incident.ledger", incident_ledger_verb },
	{ "mandates", mandates_verb },
	{ "heal.detectors", detectors_verb },
	{ "heal.simulate", simulate_verb },
	{ "heal.rates", rates_verb },
	{ "invite", commands_invite },
	{ "node.revoke", commands_revoke },
	{ "node.rotate", commands_rotate },
	{ "key.unlock", unlock_verb },
	{ "key.lock", lock_verb },
	{ "policy.explain", commands_explain },
	{ "exit.use", exit_use_verb },
	{ "exit.off", exit_off_verb },
	{ "config.reload", commands_reload },
	{ "stop", commands_stop },
};

void requests_handle(struct daemon *d, uint64_t request, const char *verb, const json_t *args,
		     const struct asker *who)
{
	json_t *view;

	for (size_t i = 0; i < N_ELEMENTS(handlers); i++) {
		if (strcmp(handlers[i].verb, verb) == 0) {
			handlers[i].handle(d, request, args, who);
			return;
		}
	}
	view = answers_view(d, verb);
	if (view)
		(void)answer_result(d, request, view);
	else
		(void)answer_error(d, request, "unknown_verb",
				   "this daemon does not know the verb; is it older than the "
				   "command? x0 version");
}

/* ---- the control socket ---- */

void answers_request(void *arg, uint64_t request, const char *verb, const json_t *args,
		     const struct control_caller *caller)
{
	const struct api_operation *o = api_find_verb(verb);
	struct daemon *d = arg;
	struct policy_reason reason;
	struct api_problem problem;
	char principal[32];

	(void)snprintf(principal, sizeof(principal), "uid:%u", (unsigned)caller->uid);
	struct asker who = {
		.principal = principal,
		.is_owner = caller->uid == 0 || caller->uid == geteuid(),
	};

	if (!who.is_owner && policy_decide_timed(d->policy, principal, POLICY_API, verb, &reason,
						 loop_now_ns, &d->decisions) != POLICY_ALLOW)
		(void)answer_error(d, request, "denied", reason.text);
	else if (o && !api_check_control(o, args, &problem))
		(void)answer_error(d, request, "usage", problem.detail);
	else
		requests_handle(d, request, verb, args, &who);
}

void answers_gone(void *arg, uint64_t request)
{
	struct daemon *d = arg;
	unsigned kept = 0;

	for (unsigned i = 0; i < d->n_statuses; i++)
		if (d->statuses[i] != request)
			d->statuses[kept++] = d->statuses[i];
	d->n_statuses = kept;
	pings_end(d, request);
}
