/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: opens what it needs, gives up what it may, and turns the loop. */
#include "daemon/api.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/alive.h"
#include "daemon/threads.h"
#include "daemon/tracing.h"
#include "shell/memory/memory.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif
#ifndef X0_BUILD_UNIX_S
#define X0_BUILD_UNIX_S 0
#endif

/* Never before the clock floor of the start and what has passed since. Where the system's clock
 * was slow at first and then is set, it is followed. */
int64_t daemon_unix_ms(const struct daemon *d)
{
	int64_t passed_ms = (int64_t)((loop_now_us() - d->start_us) / US_PER_MS);
	int64_t system_ms = loop_unix_ms();
	int64_t least_ms = d->clock_floor_ms + passed_ms;

	return system_ms > least_ms ? system_ms : least_ms;
}

void daemon_stop(struct daemon *d, int status)
{
	if (d->is_stopping)
		return;
	d->is_stopping = true;
	d->status = status;
	if (d->node) {
		node_goodbye(d->node, loop_now_us());
		daemon_drain(d);
	}
	loop_stop(d->loop);
}

void daemon_feature(struct daemon *d, const char *name, bool is_on, const char *why)
{
	struct feature *f = d->features;
	bool is_news;

	while (f < d->features + d->n_features && strcmp(f->name, name) != 0)
		f++;
	if (f == d->features + FEATURES_MAX)
		return;
	is_news = f == d->features + d->n_features || f->is_on != is_on || strcmp(f->why, why) != 0;
	if (f == d->features + d->n_features)
		d->n_features++;
	f->name = name;
	f->is_on = is_on;
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
	if (!is_on && is_news)
		log_warning(d->log, "feature_off", log_str("feature", name), log_str("why", why));
}

/* ---- actions ---- */

/* Before anything that may call the node, what is queued has to go: its bytes are the node's. */
void daemon_act(struct daemon *d)
{
	struct node_action a;

	ebpf_sync(d);
	while (node_next_action(d->node, &a)) {
		if (packets_take(d, &a))
			continue;
		packets_flush(d);
		switch (a.type) {
		case NODE_SEND:
		case NODE_DELIVER:
			break;
		case NODE_EVENT:
			events_handle(d, &a.event);
			break;
		case NODE_STORE:
			members_store(d);
			break;
		case NODE_ISSUE:
			members_issue(d, &a.issue);
			break;
		case NODE_RENEWED:
			members_renewed(d, a.data);
			break;
		case NODE_COSIGN:
			witness_messages(d);
			break;
		}
	}
	packets_flush(d);
	jobs_begin(d);
}

void daemon_drain(struct daemon *d)
{
	daemon_act(d);
	threads_sync(d->threads);
	if (!d->node_timer)
		return;
	d->turned_us = loop_now_us();
	d->wanted_us = node_deadline_us(d->node);
	loop_timer_arm(d->node_timer, d->wanted_us);
	alive_sync(d, d->wanted_us);
}

/* ---- inputs ---- */

#define LATE_US MS(3) /* a timer is up to 1 ms late by itself */
#define SETTLED_TWICE_BEATS (3 * KEEPER_SETTLED_BEATS)

static void on_node_timer(void *arg, uint64_t now_us)
{
	struct daemon *d = arg;

	/* What came while we were late comes first: else we would take our delay for their silence.
	 */
	if (now_us > d->wanted_us + LATE_US)
		packets_read(d, now_us);
	node_tick(d->node, loop_now_us());
	daemon_drain(d);
}

#define POOL_THREADS 4	     /* libuv's, which run what is given to the work queue */
#define POOL_BUSY_NS 2000000 /* so that each of them gets one */

static void give_back_stack(void *arg)
{
	(void)arg;
	memory_give_back_stack();
	(void)nanosleep(&(struct timespec){ .tv_nsec = POOL_BUSY_NS }, NULL);
}

static void is_given_back(void *arg)
{
	(void)arg;
}

static void give_memory_back(struct daemon *d)
{
	memory_give_back();
	for (unsigned i = 0; i < POOL_THREADS; i++)
		(void)loop_work(d->loop, give_back_stack, is_given_back, d);
}

static void on_beat(void *arg, uint64_t now_us)
{
	struct daemon *d = arg;

	/* What the start needed; and then what opening the ledger and the knowledge needed. */
	if (d->n_beats < SETTLED_TWICE_BEATS &&
	    (++d->n_beats == KEEPER_SETTLED_BEATS || d->n_beats == SETTLED_TWICE_BEATS))
		give_memory_back(d);
	held_hear(d); /* its word may have come while another was waited for */
	if (keeper_heartbeat(d->keeper) == -EPIPE)
		daemon_stop(d, KEEPER_EXIT_DONE); /* the keeper is gone */
	loop_timer_arm(d->beat_timer, now_us + MS(KEEPER_HEARTBEAT_MS));
}

static void on_clock(void *arg, uint64_t now_us)
{
	struct daemon *d = arg;

	node_clock(d->node, now_us, daemon_unix_ms(d));
	held_check_guard(d);
	packets_check_tunnel(d);
	networks_retry(d);
	names_tick(d);
	ebpf_tick(d);
	discovery_tick(d);
	configured_tick(d);
	places_tick(d);
	batman_tick(d);
	carrier_tick(d);
	alive_tick(d);
	api_tick(d);
	summary_tick(d);
	ledger_tick(d, now_us);
	witness_tick(d);
	loop_timer_arm(d->clock_timer, now_us + CLOCK_EVERY_US);
}

static void on_keep(void *arg, uint64_t now_us)
{
	struct daemon *d = arg;

	members_tick(d);
	daemon_drain(d);
	loop_timer_arm(d->keep_timer, now_us + KEEP_EVERY_US);
}

static void on_keeper(void *arg, unsigned events, uint64_t now_us)
{
	(void)events;
	(void)now_us;
	held_hear(arg);
}

static void on_control(void *arg, unsigned events, uint64_t now_us)
{
	struct daemon *d = arg;

	(void)events;
	(void)now_us;
	control_server_process(d->control);
}

static void on_terminate(void *arg, int signal_number)
{
	struct daemon *d = arg;

	log_info(d->log, "stopping", log_i64("signal", signal_number));
	daemon_stop(d, KEEPER_EXIT_DONE);
}

static void on_hangup(void *arg, int signal_number)
{
	char why[DAEMON_WHY_SIZE] = "";
	struct daemon *d = arg;
	json_t *report = daemon_reload(d, why);

	(void)signal_number;
	if (report) {
		log_info(d->log, "reloaded");
		ledger_notice_reload(d, "signal", report);
	} else {
		log_error(d->log, "reload_failed", log_str("why", why));
	}
	json_decref(report);
}

/* ---- configuration ---- */

json_t *daemon_reload(struct daemon *d, char why[DAEMON_WHY_SIZE])
{
	const struct config_key *changed[96];
	struct config_report report;
	struct config *config = NULL;
	struct policy *policy = NULL;
	json_t *applied = json_array();
	json_t *restart = json_array();
	size_t n;

	if (config_load(d->options->config_path, &d->environment, &config, &report) < 0 ||
	    policy_new(config->rules, config->n_rules, &policy) < 0) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "%.180s:%u: %.300s", report.file,
			       report.n ? report.problems[0].line : 0,
			       report.n ? report.problems[0].text : "cannot be applied");
		config_free(config);
		json_decref(applied);
		json_decref(restart);
		return NULL;
	}
	n = config_compare(d->config, config, changed, N_ELEMENTS(changed));
	for (size_t i = 0; i < n && i < N_ELEMENTS(changed); i++)
		(void)json_array_append_new(changed[i]->is_reloadable ? applied : restart,
					    json_string(changed[i]->path));
	node_set_policy(d->node, policy);
	policy_free(d->policy);
	d->policy = policy;
	ebpf_policy_changed(d);
	log_set_level(d->log, (enum log_level)config->log_level);
	config_free(d->reloaded);
	d->reloaded = config;
	d->config = config;
	networks_reloaded(d);
	api_reloaded(d);
	configured_reloaded(d);
	places_reloaded(d);
	healing_reloaded(d);
	return json_pack("{s:o, s:o}", "applied", applied, "needs_restart", restart);
}

/* ---- starting ---- */

int daemon_fatal(struct daemon *d, const char *event, const char *why)
{
	log_critical(d->log, event, log_str("why", why));
	return KEEPER_EXIT_FATAL;
}

static int open_sockets(struct daemon *d)
{
	char why[UDP_WHY_SIZE];

	for (size_t i = 0; i < d->config->n_listen; i++) {
		if (udp_open(&d->config->listen[i], &d->udp[d->n_udp], why) < 0)
			return daemon_fatal(d, "cannot_listen", why);
		networks_mark_socket(d, udp_fd(d->udp[d->n_udp]));
		d->n_udp++;
	}
	packets_offload(d);
	if (discovery_open(d) < 0)
		return daemon_fatal(d, "cannot_start", "out of memory");

	char control_why[CONTROL_WHY_SIZE];

	d->listen_fd = control_listen(d->config->socket, control_why);
	if (d->listen_fd < 0)
		return daemon_fatal(d, "cannot_open_control_socket", control_why);
	return 0;
}

/* Without a tunnel the node still relays; `x0 status` says that it is off and why. */
void daemon_open_tunnel(struct daemon *d)
{
	struct netlink_prefix address = { .len = OVERLAY_PREFIX_BITS };
	char why[KEEPER_WHY_SIZE] = "";
	int r = packets_open_tunnel(d, why);

	memcpy(address.ip, node_overlay_address(d->node), sizeof(address.ip));
	if (r == 0)
		r = keeper_mtu(d->keeper, (unsigned)d->options->config->tun_mtu_bytes, why);
	if (r == 0)
		r = keeper_address_add(d->keeper, &address, why);
	if (r == 0)
		r = keeper_link_up(d->keeper, why);
	daemon_feature(d, "tunnel", r == 0, why);
	if (r < 0) {
		if (d->threads)
			threads_drop_queues(d->threads); /* they too would keep the device */
		tun_free(d->tun);
		d->tun = NULL;
	}
	if (r == 0)
		networks_tunnel_opened(d);
}

/* The loop, and on its work queue the first thing that takes time. */
static int begin_epoch(struct daemon *d)
{
	struct store_error e;

	if (store_next_boot_epoch(d->store, daemon_unix_ms(d) / 1000, &d->boot_epoch, &e) < 0)
		return daemon_fatal(d, "cannot_open_state", e.text);
	if (loop_new(&d->loop) < 0 || disk_begin_epoch(d, d->boot_epoch) < 0)
		return daemon_fatal(d, "cannot_start", "out of memory or descriptors");
	return 0;
}

#define REALTIME_PRIORITY 1 /* before all that has none, after all others that have one */

/* The kernel may let who is ready wait for up to a tick (4 ms), or longer where many want the
 * processor; not who has real-time priority. Threads that compute do not inherit it. */
static void take_priority(struct daemon *d)
{
	char why[KEEPER_WHY_SIZE] = "";

	if (d->config->scheduling == 0)
		return;
	daemon_feature(d, "realtime",
		       keeper_realtime(d->keeper, getpid(), REALTIME_PRIORITY, why) == 0, why);
}

static int open_store(struct daemon *d)
{
	struct store_error e;
	int64_t now_s = loop_unix_ms() / 1000;
	int64_t clock_s;

	if (store_open(d->config->state_dir, STORE_OWN, &d->store, &e) < 0)
		return daemon_fatal(d, "cannot_open_state", e.text);
	if (store_clock(d->store, now_s, X0_BUILD_UNIX_S, &clock_s, &e) < 0)
		return daemon_fatal(d, "cannot_open_state", e.text);
	d->clock_floor_ms = clock_s * 1000;
	if (clock_s > now_s)
		log_warning(d->log, "clock_is_slow", log_i64("behind_s", clock_s - now_s));
	return 0;
}

static uint8_t aead_offer(const struct config *c)
{
	switch ((enum config_aead)c->aead) {
	case CONFIG_AEAD_CHACHA:
		return AEAD_CHACHA20_POLY1305;
	case CONFIG_AEAD_AES:
		return AEAD_AES_256_GCM;
	case CONFIG_AEAD_AUTO:
		break;
	}
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") ? AEAD_AES_256_GCM | AEAD_CHACHA20_POLY1305
					     : AEAD_CHACHA20_POLY1305;
#else
	return AEAD_AES_256_GCM | AEAD_CHACHA20_POLY1305;
#endif
}

static void fill_identity(const struct daemon *d, struct hs_identity *ret)
{
	*ret = (struct hs_identity){
		.chain = d->member->is.chain,
		.n_chain = d->member->is.n_chain,
		.key = d->member->key,
		.node_id = d->member->node_id,
		.boot_epoch = d->boot_epoch,
		.not_after_s = d->member->not_after_s,
	};
	memcpy(ret->spiffe_id, d->member->is.spiffe_id, sizeof(ret->spiffe_id));
	if (d->authority)
		ret->root = authority_root(d->authority);
}

static int make_node(struct daemon *d)
{
	struct node_config nc = {
		.ops = d->ops,
		.entropy = kernel_entropy,
		.aead_offer = aead_offer(d->config),
		.mtu_bytes = (unsigned)d->config->tun_mtu_bytes,
		.has_multipath = d->config->multipath >= 1,
		.has_flowlets = d->config->multipath == 2,
		.copies_dscp = d->config->qos_outer_dscp == 1,
		.mtu_confirm_us = SECONDS(d->config->path_mtu_confirm_s),
		.mtu_raise_us = SECONDS(d->config->path_mtu_raise_s),
		.tells_denied = d->config->tells_denied,
		.policy_now_ns = loop_now_ns,
		.trust = { .ops = d->ops },
		.network_keys = d->member->is.keys,
		.n_network_keys = d->member->is.n_keys,
		.flat_max = d->config->flat_max,
		.zone_max = d->config->zone_max,
		.n_workers = jobs_workers(),
		.n_threads = threads_count(d->threads),
		.version = X0_VERSION,
	};

	if (policy_new(d->config->rules, d->config->n_rules, &d->policy) < 0)
		return daemon_fatal(d, "cannot_start", "out of memory for the policy");
	nc.limits.rekey_after_us = SECONDS(d->config->rekey_after_s);
	nc.limits.old_epoch_us = min_u64(nc.limits.rekey_after_us / 2, SECONDS(10));
	fill_identity(d, &nc.identity);
	nc.policy = d->policy;
	networks_fill(d, &nc.networks);
	nc.traversal = (struct node_traversal){
		.is_on = true,
		.links = (unsigned)d->config->discovery_links,
		.links_max = (unsigned)d->config->discovery_links_max,
	};
	entropy_fill(&kernel_entropy, (uint8_t *)&nc.seed, sizeof(nc.seed));
	memcpy(nc.trust.domain, d->member->domain, sizeof(nc.trust.domain));
	nc.trust.n_roots = d->member->n_mldsa_roots;
	memcpy(nc.trust.roots, d->member->mldsa_roots, sizeof(nc.trust.roots));
	if (d->authority)
		nc.is_authority = true;
	if (d->authority)
		nc.root_key = authority_root_key(d->authority);
	if (node_new(&nc, loop_now_us(), daemon_unix_ms(d), &d->node) < 0)
		return daemon_fatal(d, "cannot_start", "the node could not be made");
	if (d->member->is.revocations.len > 0)
		(void)node_set_revocations(d->node, d->member->is.revocations);
	if (d->authority) {
		size_t n;
		const struct token_entry *tokens = authority_tokens(d->authority, &n);

		node_set_tokens(d->node, tokens, n);
	}
	return 0;
}

static int watch(struct daemon *d)
{
	struct loop_signal *ignored_signal;
	struct loop_fd *ignored_fd;
	int r = 0;

	r = packets_watch_udp(d);
	if (r == 0)
		r = packets_watch_tunnel(d);
	if (r == 0)
		r = loop_fd_new(d->loop, control_server_fd(d->control), LOOP_READABLE, on_control,
				d, &ignored_fd);
	if (r == 0)
		r = loop_fd_new(d->loop, keeper_client_fd(d->keeper), LOOP_READABLE, on_keeper, d,
				&ignored_fd);
	if (r == 0)
		r = loop_signal_new(d->loop, SIGTERM, on_terminate, d, &ignored_signal);
	if (r == 0)
		r = loop_signal_new(d->loop, SIGINT, on_terminate, d, &ignored_signal);
	if (r == 0)
		r = loop_signal_new(d->loop, SIGHUP, on_hangup, d, &ignored_signal);
	if (r == 0)
		r = loop_timer_new(d->loop, on_node_timer, d, &d->node_timer);
	if (r == 0)
		r = loop_timer_new(d->loop, on_beat, d, &d->beat_timer);
	if (r == 0)
		r = loop_timer_new(d->loop, on_clock, d, &d->clock_timer);
	if (r == 0)
		r = loop_timer_new(d->loop, on_keep, d, &d->keep_timer);
	return r;
}

static int start(struct daemon *d)
{
	struct control_options control;
	const char *crypto_error = NULL;
	int r;

	d->ops = openssl_crypto_ops(&crypto_error);
	if (!d->ops)
		return daemon_fatal(d, "no_cryptography", crypto_error);
	r = open_sockets(d);
	if (r != 0)
		return r;
	control_options_fill(d->user.uid, &control);
	control.on_request = answers_request;
	control.on_gone = answers_gone;
	control.arg = d;
	keys_passphrase(d); /* which may be root's to read, as these are */
	notices_secrets(d);
	if (keeper_confine(&d->user, &d->protections) < 0)
		return daemon_fatal(d, "cannot_confine", "privileges could not be given up");
	for (unsigned i = 0; i < KEEPER_N_PROTECTIONS; i++)
		if (!d->protections.of[i].is_on)
			log_warning(d->log, "protection_off",
				    log_str("protection",
					    keeper_protection_name((enum keeper_protection)i)),
				    log_str("why", d->protections.of[i].text));
	r = open_store(d);
	if (r != 0)
		return r;
	/* It takes as long as all that follows. Not before the state directory is ours: another
	 * daemon on it would lose the guard that we remove at the end. */
	keeper_guard_begin(d->keeper);
	r = begin_epoch(d);
	if (r == 0)
		r = keys_load(d);
	if (r != 0)
		return r;
	r = make_node(d);
	if (r != 0)
		return r;
	networks_start(d);
	if (configured_start(d) < 0 || places_start(d) < 0)
		return daemon_fatal(d, "cannot_start", "out of memory or descriptors");
	node_tick(d->node, loop_now_us()); /* the peers can think about it meanwhile */
	daemon_act(d);
	daemon_open_tunnel(d);
	networks_sync(d);
	take_priority(d);
	if (ebpf_begin(d) < 0)
		return daemon_fatal(d, "cannot_start",
				    "an eBPF program that the configuration asks for is off");
	if (control_server_new(d->listen_fd, &control, &d->control) < 0 || watch(d) < 0 ||
	    names_start(d) < 0 || discovery_start(d) < 0 || batman_start(d) < 0)
		return daemon_fatal(d, "cannot_start", "out of memory or descriptors");
	carrier_start(d);
	alive_start(d);
	notices_start(d);
	tracing_start(d);
	api_start(d);
	ledger_start(d);
	witness_start(d);
	healing_start(d);
	return 0;
}

static void end(struct daemon *d)
{
	struct store_error e;

	d->is_stopping = true;
	api_end(d);
	tracing_end(d);
	control_server_free(d->control);
	names_end(d);
	healing_stop(d);
	alive_end(d);
	healing_services_stop(d);
	notices_end(d);
	if (d->threads)
		threads_stop(d->threads);
	if (d->loop)
		loop_free(d->loop);
	loop_end_threads();
	witness_end(d);
	ledger_end(d); /* while there is a member, whose name it says */
	batman_end(d);
	carrier_end(d);
	ebpf_end(d);
	discovery_end(d);
	configured_end(d);
	places_end(d);
	threads_free(d->threads);
	node_free(d->node);
	policy_free(d->policy);
	passphrase_done(&d->passphrase);
	authority_free(d->authority);
	member_free(d->member);
	if (d->store) {
		(void)store_save_clock(d->store, daemon_unix_ms(d) / 1000, &e);
		store_close(d->store);
	}
	for (size_t i = 0; i < d->n_udp; i++)
		udp_free(d->udp[i]);
	tun_free(d->tun);
	networks_end(d);
	summary_end(d);
	healing_end(d);
	config_free(d->reloaded);
	free(d);
}

/* A daemon that is started again goes on with what had been reloaded: an exit that nothing may
 * leave but by, say. Not where the file has mistakes or what only the keeper can change. */
static void load_again(struct daemon *d)
{
	const struct config_key *changed[96];
	struct config_report report;
	struct config *config = NULL;
	size_t n;

	if (config_load(d->options->config_path, &d->environment, &config, &report) < 0)
		return;
	n = config_compare(d->config, config, changed, N_ELEMENTS(changed));
	for (size_t i = 0; i < n; i++) {
		if (!changed[i]->is_reloadable) {
			config_free(config);
			return;
		}
	}
	d->config = d->reloaded = config;
	log_set_level(d->log, (enum log_level)config->log_level);
}

static int daemon_child(void *arg, struct keeper_client *keeper)
{
	const struct daemon_options *options = arg;
	struct daemon *d = calloc(1, sizeof(*d));
	uint64_t now_us = loop_now_us();
	int status;

	if (!d)
		return KEEPER_EXIT_FATAL;
	d->options = options;
	d->config = options->config;
	d->log = options->log;
	d->keeper = keeper;
	d->listen_fd = -1;
	d->next_ping = 1;
	d->start_us = now_us;
	config_environment_read(&d->environment);
	if (keeper_restarts(keeper) > 0)
		load_again(d);
	keeper_user_find(d->config->user, &d->user);
	status = start(d);
	if (status == 0) {
		log_notice(d->log, "started", log_str("spiffe_id", d->member->is.spiffe_id),
			   log_bool("authority", d->authority != NULL));
		on_beat(d, now_us);
		on_clock(d, now_us);
		on_keep(d, now_us);
		daemon_drain(d);
		loop_run(d->loop);
		status = d->status;
	}
	end(d);
	return status;
}

int daemon_run(const struct daemon_options *options, char why[DAEMON_WHY_SIZE])
{
	const struct config *c = options->config;
	struct daemon_options whole = *options;
	struct keeper_options keeper = {
		.tun_name = c->tun_name,
		.mtu_max_bytes = FORWARD_MTU_MAX,
		.overlay = { .len = OVERLAY_PREFIX_BITS },
		.is_guarded = true,
		.child = daemon_child,
		.log = options->log,
	};
	static struct ebpf_options ebpf; /* large, and for as long as we live */
	struct keeper_batman batman = { 0 };
	const struct crypto_ops *ops;
	const char *crypto_error = "";
	struct keeper_user user;
	char domain[DOMAIN_MAX + 1];
	char directory_why[KEEPER_WHY_SIZE];
	char reverse_zone[254];

	memory_begin();
	if (inherited_listener(&whole.api_fd, why) < 0)
		return 1;
	ops = openssl_crypto_ops(&crypto_error);
	if (!ops) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "%s", crypto_error);
		return 1;
	}
	if (!domain_is_valid(c->domain)) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "%s: domain: not a trust domain",
			       options->config_path);
		return 1;
	}
	(void)snprintf(domain, sizeof(domain), "%.*s", DOMAIN_MAX, c->domain);
	overlay_address_of(ops, domain, 0, keeper.overlay.ip);
	keeper.names_owner = c->run_dir;
	keeper.run_dir = c->run_dir;
	if (c->names_responder && names_options(c, ops, reverse_zone, why) < 0)
		return 1;
	if (c->names_responder) {
		keeper.names_zone = c->names_zone;
		keeper.names_reverse_zone = reverse_zone;
		keeper.is_resolv_conf_managed = c->names_resolv_conf == CONFIG_RESOLV_CONF_MANAGE;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the keeper; its child does it again */
	keeper_user_find(c->user, &user);
	if (keeper_directory(c->state_dir, 0700, &user, true, directory_why) < 0 ||
	    keeper_directory(c->run_dir, 0755, &user, false, directory_why) < 0) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "%s", directory_why);
		return 1;
	}
	keeper.arg = &whole;
	keeper.permits = networks_permits;
	keeper.has_ipv4 = c->ipv4_prefix.len > 0;
	keeper.ipv4.len = c->ipv4_prefix.len;
	memcpy(keeper.ipv4.ip, c->ipv4_prefix.ip, sizeof(keeper.ipv4.ip));
	memcpy(ebpf.overlay, keeper.overlay.ip, sizeof(ebpf.overlay));
	ebpf.number = keeper_number(c->tun_name);
	if (ebpf_options_fill(c, options->log, &ebpf))
		keeper.ebpf = &ebpf;
	if (batman_options_fill(c, &batman))
		keeper.batman = &batman;
	int status = keeper_run(&keeper);

	(void)control_unlisten(c->socket); /* last of all: x0 down waits for it */
	return status;
}
