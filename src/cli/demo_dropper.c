/* SPDX-License-Identifier: Apache-2.0 */
/* A relay that takes part in everything and drops what it should pass on: forwarding goes around
 * it, healing says who it is, and the ledger has the proof of what was done. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/demo_internal.h"
#include "core/ledger/proof.h"
#include "shell/openssl/crypto_openssl.h"

#define AROUND_MS 15000
#define TRIES 3
#define OPENED_MS 25000 /* 13 s; else the relay has told of its own way, and is believed */
#define HEALED_MS 60000 /* 16 s where nothing else wants the processors */
#define PROVED_MS 20000
#define POLL_MS 100
#define IN_USE_MS 2500 /* until the way was probed, and what went before is no use any more */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

struct dropping {
	const struct demo_node *to; /* where packets go */
	struct demo_node *hop;
	uint64_t struck_us;
};

/* ---- what healing makes of it ---- */

static double since_s(const struct dropping *s)
{
	return (double)(report_now_us() - s->struck_us) / 1e6;
}

/* The incident about packets that this neighbour loses; a borrowed element of list. */
static const json_t *incident_of(const json_t *list, const char *node)
{
	const json_t *i;
	size_t n;

	json_array_foreach(list, n, i)
	{
		if (strcmp(text_of(i, "kind"), "delivery") == 0 &&
		    strcmp(text_of(i, "subject"), node) == 0)
			return i;
	}
	return NULL;
}

static void learn_cause(struct demo *d, const struct dropping *s, const json_t *incident)
{
	const json_t *cause = json_array_get(json_object_get(incident, "causes"), 0);
	struct demo_dropper *p = &d->dropper;

	if (p->cause[0] || !cause)
		return;
	p->named_s = since_s(s);
	(void)snprintf(p->incident, sizeof(p->incident), "%s", text_of(incident, "id"));
	(void)snprintf(p->cause, sizeof(p->cause), "%s", text_of(cause, "name"));
	p->explained = json_number_value(json_object_get(cause, "explained"));
	p->confidence = json_number_value(json_object_get(cause, "confidence"));
	report_say(d, "%s has opened incident %s: cause %s, explains %.0f %%, confidence %.0f %%",
		   d->nodes[0].name, p->incident, p->cause, 100 * p->explained,
		   100 * p->confidence);
}

static bool is_healed(struct demo *d, const struct dropping *s, char ret_seen[DEMO_TEXT_SIZE])
{
	json_t *list = nodes_ask(&d->nodes[0], "incidents", NULL);
	const json_t *i = incident_of(list, s->hop->name);
	bool is_it = false;

	if (i) {
		learn_cause(d, s, i);
		is_it = strcmp(text_of(i, "state"), "healed") == 0;
		d->dropper.is_confirmed = json_is_true(json_object_get(i, "is_confirmed"));
		(void)snprintf(d->dropper.remedy, sizeof(d->dropper.remedy), "%s",
			       text_of(i, "remedy"));
		(void)snprintf(ret_seen, DEMO_TEXT_SIZE, "incident %s is %s: %s", text_of(i, "id"),
			       text_of(i, "state"), text_of(i, "why"));
	}
	json_decref(list);
	return is_it;
}

/* -EAGAIN: nothing was opened, and there may be another try. */
static int wait_healed(struct demo *d, const struct dropping *s, bool is_last)
{
	uint64_t end_us = report_now_us() + MS(HEALED_MS);
	struct demo_dropper *p = &d->dropper;
	uint64_t opened_us = report_now_us() + MS(OPENED_MS);
	char seen[DEMO_TEXT_SIZE] = "no incident about it";

	while (!is_healed(d, s, seen)) {
		if (demo_is_stopped())
			return -1;
		if (!p->cause[0] && !is_last && report_now_us() > opened_us)
			return -EAGAIN;
		if (report_now_us() > end_us)
			return demo_failed(d, &d->nodes[0], "waiting for healing",
					   "the dropper is named, and avoided", "%s", seen);
		report_nap_ms(POLL_MS);
	}
	p->healed_s = since_s(s);
	if (!strstr(p->cause, s->hop->name))
		return demo_failed(d, &d->nodes[0], "the cause that healing names", s->hop->name,
				   "%s", p->cause);
	report_say(d, "%s avoids %s from now on (%s), confirmed by a probe, %.1f s after the fault",
		   d->nodes[0].name, s->hop->name, p->remedy, p->healed_s);
	return 0;
}

/* ---- the proof ---- */

/* Signatures and path, with the keys that the ledger's own files have: as an auditor would who had
 * them from before. */
static bool verify(const json_t *keys, const json_t *proof, uint64_t index)
{
	const struct crypto_ops *ops = openssl_crypto_ops(NULL);
	CLEANUP_FREE uint8_t *room = malloc(LEDGER_ENTRY_MAX);
	const char *file = text_of(proof, "file");
	struct note_key of[2];
	struct checkpoint checkpoint;
	struct ledger_proof p;

	if (!ops || !room || json_array_size(keys) != N_ELEMENTS(of))
		return false;
	for (size_t i = 0; i < N_ELEMENTS(of); i++) {
		const char *text = json_string_value(json_array_get(keys, i));

		if (!text || note_key_decode(ops, SPAN(text, strlen(text)), &of[i]) < 0)
			return false;
	}
	return ledger_proof_decode(SPAN(file, strlen(file)), room, &p) == 0 && p.index == index &&
	       ledger_proof_verify(ops, openssl_note_crypto(), &p, of, N_ELEMENTS(of),
				   &checkpoint) == 0;
}

/* True when both entries are there with a proof that holds. */
static bool take_proofs(struct demo *d, const json_t *answer)
{
	const json_t *keys = json_object_get(answer, "keys"), *e;
	bool has_intent = false, has_result = false;
	struct demo_dropper *p = &d->dropper;
	size_t n;

	json_array_foreach(json_object_get(answer, "entries"), n, e)
	{
		const char *kind = text_of(json_object_get(e, "entry"), "kind");
		uint64_t index = (uint64_t)json_integer_value(json_object_get(e, "index"));
		const json_t *proof = json_object_get(e, "proof");

		if (!json_is_object(proof) || !verify(keys, proof, index))
			continue;
		p->tree_size = (uint64_t)json_integer_value(json_object_get(proof, "size"));
		if (strcmp(kind, "intent") == 0) {
			p->intent_index = index;
			has_intent = true;
		} else if (strcmp(kind, "result") == 0) {
			p->result_index = index;
			has_result = true;
		}
	}
	return has_intent && has_result;
}

static int wait_proved(struct demo *d)
{
	uint64_t end_us = report_now_us() + MS(PROVED_MS);
	struct demo_dropper *p = &d->dropper;

	while (!p->is_proved) {
		json_t *answer = nodes_ask(&d->nodes[0], "incident.ledger",
					   json_pack("{s:s}", "incident", p->incident));

		p->is_proved = answer && take_proofs(d, answer);
		json_decref(answer);
		if (demo_is_stopped())
			return -1;
		if (!p->is_proved && report_now_us() > end_us)
			return demo_failed(d, &d->nodes[0], "the proof of the repair",
					   "intent and result in a signed tree", "none in %d ms",
					   PROVED_MS);
		if (!p->is_proved)
			report_nap_ms(POLL_MS);
	}
	report_say(d,
		   "the ledger of %s has intent (entry %llu) and result (entry %llu): both proofs "
		   "hold, in a tree of %llu signed by Ed25519 and ML-DSA-44",
		   d->nodes[0].name, (unsigned long long)p->intent_index,
		   (unsigned long long)p->result_index, (unsigned long long)p->tree_size);
	return 0;
}

/* ---- all of it ---- */

static int find_it(struct demo *d, const struct dropping *s, bool is_last)
{
	struct demo_dropper *p = &d->dropper;
	int r = nodes_wait_path(d, s->to, s->hop, AROUND_MS);

	if (r < 0)
		return r;
	p->around_s = since_s(s);
	report_say(d, "%s goes around %s after %.1f s", d->nodes[0].name, s->hop->name,
		   p->around_s);
	r = wait_healed(d, s, is_last);
	if (r == 0)
		r = wait_proved(d);
	if (r == 0 && d->api_fd >= 0)
		report_say(d, "shown with its cause: http://127.0.0.1:%u/#/incidents/%s",
			   d->api_port, p->incident);
	p->is_found = r == 0;
	return r;
}

/* With packets on the way to it. */
static int drop_and_find(struct demo *d, const struct demo_node *to, bool is_last)
{
	struct dropping s = { .to = to };
	char why[DEMO_TEXT_SIZE];
	int r;

	report_nap_ms(IN_USE_MS);
	if (nodes_wait_path(d, s.to, NULL, AROUND_MS) < 0)
		return -1;
	s.hop = nodes_next_hop(d, s.to);
	if (!s.hop || s.hop == to)
		return demo_failed(d, &d->nodes[0], "choosing the relay that drops",
				   "a relay on the way", "there is none");
	s.struck_us = report_now_us();
	if (!lab_drop(d, s.hop, true, why))
		return demo_failed(d, s.hop, "making a relay drop packets", "a rule of nftables",
				   "%s", why);
	(void)snprintf(d->dropper.node, sizeof(d->dropper.node), "%s", s.hop->name);
	report_say(d,
		   "%s, the relay in use from %s to %s, now drops what it should pass on, and does "
		   "all else as ever",
		   s.hop->name, d->nodes[0].name, to->name);
	r = find_it(d, &s, is_last);
	if (!lab_drop(d, s.hop, false, why) && (r == 0 || r == -EAGAIN))
		r = demo_failed(d, s.hop, "making the relay honest again", "nft", "%s", why);
	if (r == 0)
		report_say(d, "%s passes on again; %s keeps off it for ten minutes", s.hop->name,
			   d->nodes[0].name);
	if (r == -EAGAIN)
		report_say(d,
			   "%s has told itself that its way loses packets, so nobody is blamed; "
			   "once more",
			   s.hop->name);
	return r;
}

/* Tried at the far corner, which passes nothing on. */
static bool can_drop(const struct demo *d, char ret_why[DEMO_TEXT_SIZE])
{
	const struct demo_node *far = &d->nodes[d->n_nodes - 1];

	return lab_drop(d, far, true, ret_why) && lab_drop(d, far, false, ret_why);
}

/* Two links off, by either of two relays: for one that is farther off healing waits for whoever is
 * nearer to the fault, for half a minute. */
static const struct demo_node *two_links_off(const struct demo *d)
{
	return &d->nodes[d->n_nodes / 2 + 1];
}

int dropper_run(struct demo *d)
{
	const struct demo_node *to = two_links_off(d);
	struct demo_dropper *p = &d->dropper;
	pid_t traffic;
	int r;

	/* Where this kernel has no nftables for us the rest of the demo holds all the same: it is
	 * said, and only who asked for this alone sees a failure. */
	if (!can_drop(d, p->why)) {
		p->is_left_out = true;
		report_say(d, "LEFT OUT: no relay is made to drop packets: %s", p->why);
		return d->options.scenario != DEMO_DROPPER
			       ? 0
			       : demo_failed(d, NULL, "making a relay drop packets",
					     "a rule of nftables", "%s", p->why);
	}
	traffic = traffic_keep(d, to);
	r = traffic < 0 ? -1 : -EAGAIN;
	for (unsigned n = 1; n <= TRIES && r == -EAGAIN; n++)
		r = drop_and_find(d, to, n == TRIES);
	if (traffic > 0) {
		(void)kill(traffic, SIGKILL);
		(void)waitpid(traffic, NULL, 0);
	}
	return r;
}
