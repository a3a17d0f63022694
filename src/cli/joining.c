/* SPDX-License-Identifier: Apache-2.0 */
/* The joiner core between a socket, the resolver and a timer. */
#include "cli/joining.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/loop/loop.h"
#include "shell/udp/udp.h"

/* A name that is still looked up after this is given up; the handshakes have their own limit. */
#define LOOKUP_US SECONDS(5)

struct lookup {
	struct run *run;
	size_t endpoint;
};

struct run {
	struct joining *j;
	struct joiner *joiner;
	struct loop *loop;
	struct udp *udp;
	struct loop_timer *timer;
	struct loop_timer *progress;
	size_t n_lookups; /* under way */
	size_t n_tried;
	bool is_ended; /* look-ups that end now come too late */
	uint64_t lookup_end_us;
	size_t of_trial[JOINER_ENDPOINTS_MAX]; /* outcome of the joiner's trial i */
	struct lookup lookups[INVITE_ENDPOINTS_MAX];
};

static void arm(struct run *r)
{
	uint64_t deadline_us = joiner_deadline_us(r->joiner);

	if (r->n_lookups > 0)
		deadline_us = min_u64(deadline_us, r->lookup_end_us);
	loop_timer_arm(r->timer, deadline_us);
}

static bool is_over(const struct run *r)
{
	if (joiner_state(r->joiner) == JOINER_ANSWERED)
		return true;
	if (r->n_lookups > 0 && loop_now_us() < r->lookup_end_us)
		return false;
	return r->n_tried == 0 || joiner_state(r->joiner) != JOINER_TRYING;
}

static void drain(struct run *r)
{
	struct endpoint to;
	struct span datagram;

	while (joiner_next_datagram(r->joiner, &to, &datagram))
		(void)udp_send(r->udp, &to, datagram); /* one that is lost is sent again */
	if (is_over(r))
		loop_stop(r->loop);
	else
		arm(r);
}

static void on_datagram(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct span datagram = SPAN(bytes, len);
	struct run *r = arg;

	(void)traffic_class;
	joiner_input_datagram(r->joiner, from, datagram, loop_now_us());
}

static void on_udp(void *arg, unsigned events, uint64_t now_us)
{
	struct run *r = arg;

	(void)events;
	(void)now_us;
	(void)udp_receive(r->udp, on_datagram, NULL, r);
	drain(r);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct run *r = arg;

	joiner_tick(r->joiner, now_us);
	drain(r);
}

static void on_progress(void *arg, uint64_t now_us)
{
	struct run *r = arg;

	(void)now_us;
	for (size_t i = 0; i < r->j->invite->n_endpoints; i++)
		cli_note(r->j->c, "waiting for an answer from %s ...", r->j->invite->endpoints[i]);
}

/* ---- names ---- */

static struct joining_outcome *outcome_new(struct joining *j, size_t endpoint)
{
	struct joining_outcome *o;

	if (j->n_outcomes == JOINING_ADDRESSES_MAX)
		return NULL;
	o = &j->outcomes[j->n_outcomes++];
	*o = (struct joining_outcome){ .endpoint = endpoint };
	return o;
}

static void try_address(struct run *r, size_t endpoint, const struct endpoint *address)
{
	struct joining_outcome *o;

	if (r->n_tried == JOINER_ENDPOINTS_MAX ||
	    joiner_add_endpoint(r->joiner, address, loop_now_us()) < 0)
		return; /* known from another name already, or enough of them */
	o = outcome_new(r->j, endpoint);
	if (!o)
		return;
	endpoint_format(address, o->address);
	r->of_trial[r->n_tried++] = (size_t)(o - r->j->outcomes);
}

static void on_resolved(void *arg, int result, const struct endpoint *found, size_t n)
{
	struct lookup *l = arg;
	struct run *r = l->run;
	struct joining_outcome *o;

	r->n_lookups--;
	if (r->is_ended)
		return;
	if (result < 0) {
		o = outcome_new(r->j, l->endpoint);
		if (o)
			o->resolve_error = result;
	}
	for (size_t i = 0; result == 0 && i < n; i++)
		try_address(r, l->endpoint, &found[i]);
	drain(r);
}

static void look_up_all(struct run *r)
{
	const struct invite *i = r->j->invite;

	for (size_t e = 0; e < i->n_endpoints; e++) {
		struct lookup *l = &r->lookups[e];
		int result;

		*l = (struct lookup){ .run = r, .endpoint = e };
		result =
			loop_resolve(r->loop, i->endpoints[e], CONFIG_PORT_DEFAULT, on_resolved, l);
		if (result == 0) {
			r->n_lookups++;
			continue;
		}
		struct joining_outcome *o = outcome_new(r->j, e);

		if (o)
			o->resolve_error = result;
	}
}

/* ---- the whole ---- */

static int make_joiner(struct run *r)
{
	const struct joining *j = r->j;
	struct joiner_config config = {
		.ops = j->ops,
		.entropy = kernel_entropy,
		.aead_offer = AEAD_AES_256_GCM | AEAD_CHACHA20_POLY1305,
		.join = { .csr_mldsa = SPAN(j->request->csr_mldsa.at, j->request->csr_mldsa.len),
			  .csr_p256 = SPAN(j->request->csr_p256.at, j->request->csr_p256.len),
			  .key = j->request->key,
			  .token = j->invite->token },
		.unix_s = j->unix_s,
	};
	int e;

	memcpy(config.join.ca, j->invite->ca, sizeof(config.join.ca));
	memcpy(config.join.domain, j->invite->domain, sizeof(config.join.domain));
	memcpy(config.network_key, j->invite->network_key, sizeof(config.network_key));
	entropy_fill(&kernel_entropy, (uint8_t *)&config.seed, sizeof(config.seed));
	e = joiner_new(&config, loop_now_us(), &r->joiner);
	bytes_wipe(&config, sizeof(config));
	return e;
}

static int prepare(struct run *r)
{
	const struct endpoint any = { .port = 0 };
	struct cli *c = r->j->c;
	char why[UDP_WHY_SIZE];
	struct loop_fd *ignored;

	if (udp_open(&any, &r->udp, why) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "%s; see: x0 doctor", why);
	if (loop_new(&r->loop) < 0 || make_joiner(r) < 0 ||
	    loop_fd_new(r->loop, udp_fd(r->udp), LOOP_READABLE, on_udp, r, &ignored) < 0 ||
	    loop_timer_new(r->loop, on_timer, r, &r->timer) < 0 ||
	    loop_timer_new(r->loop, on_progress, r, &r->progress) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory or descriptors");
	return 0;
}

static size_t endpoint_of(const struct joining *j, const struct endpoint *peer)
{
	char text[ENDPOINT_TEXT_SIZE];

	endpoint_format(peer, text);
	for (size_t i = 0; i < j->n_outcomes; i++)
		if (strcmp(j->outcomes[i].address, text) == 0)
			return j->outcomes[i].endpoint;
	return 0;
}

static int take_results(struct run *r)
{
	struct joining *j = r->j;
	struct span answer;

	for (size_t i = 0; i < r->n_tried; i++)
		(void)joiner_trial(r->joiner, i, &j->outcomes[r->of_trial[i]].trial);
	j->is_answered = joiner_state(r->joiner) == JOINER_ANSWERED;
	if (!j->is_answered)
		return 0;
	answer = joiner_answer(r->joiner);
	j->answer = malloc(answer.len ? answer.len : 1);
	if (!j->answer)
		return cli_fail(j->c, CLI_FAILED, "failed", "out of memory");
	memcpy(j->answer, answer.at, answer.len);
	j->answer_len = answer.len;
	j->endpoint = endpoint_of(j, joiner_peer(r->joiner));
	return 0;
}

int joining_run(struct joining *j)
{
	CLEANUP_FREE struct run *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return cli_fail(j->c, CLI_FAILED, "failed", "out of memory");
	r->j = j;
	r->lookup_end_us = loop_now_us() + LOOKUP_US;
	e = prepare(r);
	if (e == 0) {
		loop_timer_arm(r->progress, loop_now_us() + MS(CLI_PROGRESS_MS));
		look_up_all(r);
		if (!is_over(r)) {
			arm(r);
			loop_run(r->loop);
		}
		e = take_results(r);
	}
	r->is_ended = true;
	/* A name may still be looked up: its handler runs in loop_free(), with all of r alive. */
	if (r->loop)
		loop_free(r->loop);
	joiner_free(r->joiner);
	udp_free(r->udp);
	return e;
}

void joining_done(struct joining *j)
{
	if (j->answer)
		bytes_wipe(j->answer, j->answer_len);
	free(j->answer);
	j->answer = NULL;
}

/* ---- what to say ---- */

static const char *clock_advice(enum identity_fault fault)
{
	if (fault == IDENTITY_NOT_YET_VALID)
		return "its certificate is not valid yet by this machine's clock, which is "
		       "probably slow; set it (date, or timedatectl set-ntp true), then join again";
	return "its certificate has expired by this machine's clock; if the clock is fast, set it "
	       "(date, or timedatectl set-ntp true); else, on the authority: x0 status";
}

static const char *failure_advice(const struct joiner_trial *t)
{
	if (t->has_handshake)
		return "it was reached and proved to be the authority, but sent no answer: it does "
		       "not accept this token (mistyped, or of another domain), or is too busy; "
		       "ask for a new one there: x0 invite";
	if (!t->is_over)
		return "it had not answered when the time was up; try again, or check there: x0 "
		       "status";
	switch (t->failure) {
	case HS_FAIL_TIMEOUT:
		return "no answer: it is not reachable (is UDP let through, does it run there? x0 "
		       "status), or the invitation is older than the domain's network key: x0 "
		       "invite, there";
	case HS_FAIL_NO_COMPLETION:
		return "it answered, but the handshake did not complete: it does not know this "
		       "token (mistyped, used up, expired), or much is lost on the way; ask for a "
		       "new one there: x0 invite";
	case HS_FAIL_IDENTITY:
		if (t->fault == IDENTITY_NOT_YET_VALID || t->fault == IDENTITY_EXPIRED)
			return clock_advice(t->fault);
		return identity_fault_text(t->fault);
	case HS_FAIL_UNEXPECTED:
	case HS_FAIL_POLICY:
	case HS_FAIL_LOST_RACE:
		break;
	}
	return hs_failure_text(t->failure);
}

void joining_explain(const struct joining_outcome *o, char ret[CLI_TEXT_SIZE])
{
	if (o->resolve_error == -ENOENT)
		(void)snprintf(ret, CLI_TEXT_SIZE,
			       "there is no such name; ask for an invitation "
			       "with an address: x0 invite --endpoint H:P");
	else if (o->resolve_error)
		(void)snprintf(ret, CLI_TEXT_SIZE,
			       "the name cannot be looked up now (%s); check "
			       "/etc/resolv.conf",
			       strerror(-o->resolve_error));
	else if (o->trial.is_over && o->trial.failure == HS_FAIL_IDENTITY &&
		 o->trial.fault != IDENTITY_NOT_YET_VALID && o->trial.fault != IDENTITY_EXPIRED)
		(void)snprintf(ret, CLI_TEXT_SIZE,
			       "not the authority of this invitation (%s); ask for a new one: x0 "
			       "invite",
			       identity_fault_text(o->trial.fault));
	else
		(void)snprintf(ret, CLI_TEXT_SIZE, "%s", failure_advice(&o->trial));
}
