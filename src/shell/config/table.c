/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys, and the texts that are made from it. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/config/rules.h"
#include "shell/config/table.h"
#include "shell/config/value.h"

#define AT(member) .offset = offsetof(struct config, member)
#define LIST(member) AT(member), .offset_n = offsetof(struct config, n_##member)

#define MEMBERS "spiffe://*/node/*"

/* What holds where the file has no `policy`, and what `x0 init` writes. */
#define POLICY_DEFAULT                                              \
	"- allow: [session, ping, relay, connect, route, survey]\n" \
	"  from: \"" MEMBERS "\"\n"                                 \
	"- allow: issue\n"                                          \
	"  from: \"*\"\n"                                           \
	"- allow: [api, invite]\n"                                  \
	"  from: \"uid:*\"\n"

static const struct config_key keys[] = {
	{ "domain", CONFIG_STRING, "", "x0tta6bl4.mesh", NULL, 1, 128, "a-z 0-9 . - _", false,
	  "Trust domain: whose certificates count, and with them the overlay prefix.", "",
	  AT(domain) },
	{ "name", CONFIG_STRING, "", "\"\"", NULL, 0, 63, "a-z 0-9 . - _", false,
	  "Name of this node in the domain; empty for the name of the host.", "berlin-1",
	  AT(name) },
	{ "listen", CONFIG_ADDRESSES, "", "[\"[::]:26969\"]", NULL, 1, CONFIG_LISTEN_MAX, "", false,
	  "UDP addresses to listen on; [::] takes IPv4 too. The port may be left out: 26969.",
	  "[\"192.0.2.1:26969\"]", LIST(listen) },
	{ "endpoints", CONFIG_HOSTPORTS, "", "[]", NULL, 0, CONFIG_ENDPOINTS_MAX, "", true,
	  "Where others reach this node, if not at its own addresses: told in invitations.",
	  "[\"mesh.example:26969\"]", LIST(endpoints) },
	{ "peers", CONFIG_PEERS, "", "[]", NULL, 0, CONFIG_PEERS_MAX, "", true,
	  "Nodes to connect to and stay connected with. With a name only that node is accepted "
	  "there.",
	  "[{endpoint: \"192.0.2.7:26969\", name: \"spiffe://x0tta6bl4.mesh/node/berlin-2\"}]",
	  LIST(peers) },
	{ "state_dir", CONFIG_PATH, "", "/var/lib/x0", "$XDG_STATE_HOME/x0", 1, 200, "", false,
	  "Keys, certificates and what must outlive a restart. Only the daemon reads it.", "",
	  AT(state_dir) },
	/* sun_path has 108 bytes (unix(7)), the name and its lock take 13 */
	{ "run_dir", CONFIG_PATH, "", "/run/x0", "$XDG_RUNTIME_DIR/x0", 1, 90, "", false,
	  "Holds the control socket, x0.sock.", "", AT(run_dir) },
	{ "user", CONFIG_STRING, "", "x0", NULL, 1, 63, "a-z A-Z 0-9 . - _", false,
	  "User that the daemon becomes when started as root; nobody where it does not exist.", "",
	  AT(user) },
	{ "tun.name", CONFIG_STRING, "", "x0", NULL, 1, 15, "a-z A-Z 0-9 . - _", false,
	  "Name of the tunnel device.", "mesh0", AT(tun_name) },
	{ "tun.mtu", CONFIG_INTEGER, "bytes", "1344", NULL, 1280, 8846, "", false,
	  "MTU of the tunnel device: 1344 fits an underlay of 1500, 8846 one of 9000. What a link "
	  "carries is found out; longer packets are answered with Packet Too Big.",
	  "8846", AT(tun_mtu_bytes) },
	{ "path_mtu.confirm", CONFIG_INTEGER, "s", "5", NULL, 1, 600, "", false,
	  "While long datagrams are sent on a link, a probe checks this often that they still "
	  "pass.",
	  "", AT(path_mtu_confirm_s) },
	{ "path_mtu.raise", CONFIG_INTEGER, "s", "600", NULL, 5, 86400, "", false,
	  "A link that carries less than the tunnel could use is tried again after this.", "",
	  AT(path_mtu_raise_s) },
	{ "tell_denied", CONFIG_CHOICE, "", "false", NULL, 0, 1, "false|true", false,
	  "Whether a peer whose flow the policy denies is told so by ICMPv6; else it hears "
	  "nothing.",
	  "", AT(tells_denied) },
	{ "log.level", CONFIG_CHOICE, "", "info", NULL, 0, 7,
	  "emergency|alert|critical|error|warning|notice|info|debug", true,
	  "Events less urgent than this are not written.", "debug", AT(log_level) },
	{ "log.format", CONFIG_CHOICE, "", "auto", NULL, 0, 3, "auto|text|json|journal", false,
	  "auto: for journald where it reads, else text.", "json", AT(log_format) },
	{ "aead", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "auto|aes-256-gcm|chacha20-poly1305",
	  false,
	  "Cipher to prefer. auto: AES-256-GCM where the processor has it. ChaCha20-Poly1305 is "
	  "always offered.",
	  "", AT(aead) },
	{ "keys.passphrase_file", CONFIG_PATH, "", "\"\"", NULL, 0, 200, "", false,
	  "Holds the passphrase of private keys, if they have one. Read at the start, as root. A "
	  "credential x0-passphrase of systemd goes first.",
	  "/etc/x0/passphrase", AT(passphrase_file) },
	{ "keys.require_locked_memory", CONFIG_CHOICE, "", "false", NULL, 0, 1, "false|true", false,
	  "Whether not to start where private keys cannot be locked in memory (RLIMIT_MEMLOCK).",
	  "true", AT(require_locked_memory) },
	{ "tls.groups", CONFIG_CHOICE, "", "hybrid-first", NULL, 0, 1, "hybrid-first|hybrid-only",
	  false,
	  "Key agreement of TLS. hybrid-first: X25519 alone where the other side knows no group "
	  "with ML-KEM; hybrid-only refuses it.",
	  "hybrid-only", AT(tls_groups) },
	{ "limits.peers", CONFIG_INTEGER, "peers", "1000", NULL, 1, 1000, "", false,
	  "Nodes that sessions are held with at most.", "", AT(peers_max) },
	{ "limits.rekey_after", CONFIG_INTEGER, "s", "120", NULL, 1, 120, "", false,
	  "Keys of a session are replaced after this; those before them are taken for half of it "
	  "more, at most 10 s.",
	  "", AT(rekey_after_s) },
	{ "routing.flat_max", CONFIG_INTEGER, "nodes", "1000", NULL, 8, 1000, "", false,
	  "Up to so many nodes the mesh is one zone: all know the way to all.", "", AT(flat_max) },
	{ "routing.zone_max", CONFIG_INTEGER, "nodes", "256", NULL, 4, 1000, "", false,
	  "In a larger mesh, how many nodes around it a node tells its neighbours of; others are "
	  "looked for when a packet goes there.",
	  "", AT(zone_max) },
	{ "names.responder", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Whether NAME.ZONE resolves on this host: a DNS server on port 53 of its overlay "
	  "address.",
	  "", AT(names_responder) },
	{ "names.zone", CONFIG_STRING, "", "x0.internal", NULL, 3, 180, "a-z 0-9 . - _", false,
	  "What the names of nodes end in; at least two labels. .internal is reserved for private "
	  "use.",
	  "mesh.example.org", AT(names_zone) },
	{ "names.ttl", CONFIG_INTEGER, "s", "30", NULL, 0, 3600, "", false,
	  "How long an answer may be kept by who asked.", "300", AT(names_ttl_s) },
	{ "names.clients", CONFIG_CHOICE, "", "self", NULL, 0, 1, "self|members", false,
	  "Whose questions are answered: those of this host alone, or of other members too (and "
	  "then the policy decides about connect to udp:53).",
	  "members", AT(names_clients) },
	{ "names.resolv_conf", CONFIG_CHOICE, "", "leave", NULL, 0, 1, "leave|manage", false,
	  "Whether /etc/resolv.conf is changed while x0 runs, where systemd-resolved does not run. "
	  "Other names are then passed on to the servers that were in it.",
	  "manage", AT(names_resolv_conf) },
	{ "offload.tun", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Super-packets of up to 64 KB between the kernel and the tunnel, where the kernel has "
	  "them.",
	  "", AT(offload_tun) },
	{ "offload.udp_gso", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Many datagrams to one neighbour leave in one UDP_SEGMENT message.", "",
	  AT(offload_udp_gso) },
	{ "offload.udp_gro", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Many datagrams from one neighbour arrive in one UDP_GRO message.", "",
	  AT(offload_udp_gro) },
	{ "offload.batch", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Several messages a system call: recvmmsg and sendmmsg.", "", AT(offload_batch) },
	{ "offload.urgent", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "A second socket at the same port for what must not queue behind bulk.", "",
	  AT(offload_urgent) },
	{ "multipath", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "off|auto|flowlets", false,
	  "auto: where there are ways to a node that share no other node, critical packets go by "
	  "two "
	  "and much bulk by all. flowlets: besides, bulk is spread over feasible next hops at "
	  "each.",
	  "off", AT(multipath) },
	{ "threads", CONFIG_INTEGER, "", "1", NULL, 1, 4, "", false,
	  "Packet threads, each with a queue of the tunnel and a socket; 1: packets go by the main "
	  "loop.",
	  "2", AT(n_threads) },
	{ "qos.scheduling", CONFIG_CHOICE, "", "normal", NULL, 0, 1, "normal|realtime", false,
	  "realtime: packets go before all other programs of this machine, as long as they take.",
	  "realtime", AT(scheduling) },
	{ "qos.outer_dscp", CONFIG_CHOICE, "", "none", NULL, 0, 1, "none|copy", false,
	  "Whether the codepoints of inner packets are shown outside too; ECN always is.", "copy",
	  AT(qos_outer_dscp) },
	{ "ipv4.prefix", CONFIG_PREFIX, "", "\"\"", NULL, PREFIX_IPV4_BITS_MIN,
	  PREFIX_IPV4_BITS_MAX, "", false,
	  "Network of the nodes' IPv4 addresses, the same at every node; empty: IPv6 alone.",
	  "10.86.0.0/16", AT(ipv4_prefix) },
	{ "routes.offer", CONFIG_PREFIXES, "", "[]", NULL, 0, CONFIG_OFFERS_MAX, "", true,
	  "Networks behind this node that others may reach through it; each decides by its policy "
	  "(prefix).",
	  "[192.168.7.0/24, \"fd12::/48\"]", LIST(offers) },
	{ "routes.exit", CONFIG_CHOICE, "", "false", NULL, 0, 1, "false|true", true,
	  "Whether this node also offers the way to the internet: 0.0.0.0/0 and ::/0.", "true",
	  AT(is_exit) },
	{ "routes.exit_only", CONFIG_CHOICE, "", "false", NULL, 0, 1, "false|true", true,
	  "While an exit is in use: whether nothing leaves this machine by another way, the exit "
	  "be "
	  "reachable or not.",
	  "true", AT(exit_only) },
	{ "routes.exit_lan", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", true,
	  "While an exit is in use: whether the networks this machine is in stay reachable.", "",
	  AT(exit_lan) },
	{ "discovery.lan", CONFIG_CHOICE, "", "on", NULL, 0, 1, "off|on", false,
	  "Whether nodes on the same Ethernet find each other by themselves: beacons that only "
	  "members can read, UDP 7777.",
	  "off", AT(discovery_lan) },
	{ "discovery.interfaces", CONFIG_STRING, "", "\"\"", NULL, 0, 200,
	  "a-z A-Z 0-9 . _ : @ , -", false,
	  "Interfaces that beacons are sent and heard on, with commas between; empty for all "
	  "Ethernets, but never the tunnel.",
	  "eth0,wlan0", AT(discovery_interfaces) },
	{ "discovery.links", CONFIG_INTEGER, "links", "4", NULL, 0, 64, "", false,
	  "Direct links this node tries to have in all: while it has fewer, it asks reachable "
	  "nodes for "
	  "one, through NATs too.",
	  "0", AT(discovery_links) },
	{ "discovery.links_max", CONFIG_INTEGER, "links", "32", NULL, 0, 1000, "", false,
	  "With this many direct links no more are made for the packets that go to a node by "
	  "relays, "
	  "nor for others that ask; 0: neither is ever done.",
	  "8", AT(discovery_links_max) },
	{ "ebpf.guard", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "auto|on|off", false,
	  "Drop junk at the port in the kernel (eBPF). auto: where the kernel allows it; on: do "
	  "not "
	  "start without.",
	  "", AT(ebpf_guard) },
	{ "ebpf.meter", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "auto|on|off", false,
	  "Count this node's datagrams in the kernel: sizes, times between, by hashed MAC and "
	  "peer.",
	  "", AT(ebpf_meter) },
	{ "ebpf.flow", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "auto|on|off", false,
	  "Watch TCP connections through the mesh in the kernel: round trips, retransmissions.", "",
	  AT(ebpf_flow) },
	{ "ebpf.enforce", CONFIG_CHOICE, "", "auto", NULL, 0, 2, "auto|on|off", false,
	  "Enforce the policy's connect and ping rules in the kernel as well.", "",
	  AT(ebpf_enforce) },
	{ "ebpf.attach", CONFIG_CHOICE, "", "auto", NULL, 0, 3, "auto|xdp|tcx|clsact", false,
	  "Where the guard hooks in. auto: native XDP on drivers that keep segmentation with it, "
	  "else tc. "
	  "xdp: "
	  "native or generic XDP everywhere.",
	  "", AT(ebpf_attach) },
	{ "ebpf.block", CONFIG_SOURCES, "", "[]", NULL, 0, CONFIG_BLOCK_MAX, "", false,
	  "Whose datagrams to the port the guard drops.",
	  "[\"198.51.100.0/24\", \"2001:db8:bad::/48\"]", LIST(ebpf_block) },
	{ "batman.interfaces", CONFIG_DEVICES, "", "[]", NULL, 0, CONFIG_BATMAN_MAX, "", false,
	  "Interfaces with a mesh of the kernel's batman-adv (B.A.T.M.A.N. V) that this node is a "
	  "gateway to; none: it is off.",
	  "[eth1]", LIST(batman_interfaces) },
	{ "batman.tap", CONFIG_STRING, "", "x0bat", NULL, 1, 15, "a-z A-Z 0-9 . - _", false,
	  "Name of the device that is this machine's end of that mesh.", "", AT(batman_tap) },
	{ "batman.addresses", CONFIG_HOSTS, "", "[]", NULL, 0, CONFIG_BATMAN_MAX, "", false,
	  "Its addresses. To let the overlay reach the mesh, offer their network in routes.offer.",
	  "[\"fd12:0:0:7::1/64\", 192.168.7.1/24]", LIST(batman_addresses) },
	{ "batman.throughput", CONFIG_INTEGER, "Mbit/s", "100", NULL, 1, 100000, "", false,
	  "What the links of these interfaces are taken to carry, where ways are compared.", "",
	  AT(batman_throughput_mbps) },
	{ "api.server", CONFIG_CHOICE, "", "on", NULL, 0, 1, "off|on", false,
	  "Whether programs and browsers may ask over HTTP: 127.0.0.1 for this machine.", "off",
	  AT(api_server) },
	{ "api.port", CONFIG_INTEGER, "", "26970", NULL, 1, 65535, "", false,
	  "TCP port of the API, on 127.0.0.1 and on the overlay address.", "", AT(api_port) },
	{ "api.metrics_port", CONFIG_INTEGER, "", "9090", NULL, 0, 65535, "", false,
	  "TCP port on 127.0.0.1 with /metrics and /health alone; 0: none.", "0",
	  AT(api_metrics_port) },
	{ "api.loopback_read", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Whether every user of this machine may look, without the token.", "false",
	  AT(api_loopback_read) },
	{ "api.overlay", CONFIG_CHOICE, "", "true", NULL, 0, 1, "false|true", false,
	  "Whether the API is also at the overlay address, with TLS, for members that the policy "
	  "allows it (api).",
	  "false", AT(api_overlay) },
	{ "api.connections", CONFIG_INTEGER, "", "1024", NULL, 16, 20000, "", false,
	  "Connections to the API at most, WebSockets included.", "10000", AT(api_connections) },
	{ "api.rate", CONFIG_INTEGER, "requests/s", "100", NULL, 1, 100000, "", false,
	  "Requests that one address or one member may make, other than from this machine.", "",
	  AT(api_rate_per_s) },
	{ "tracing.endpoint", CONFIG_STRING, "", "\"\"", NULL, 0, 200, "a-z A-Z 0-9 . - _ : / [ ]",
	  false,
	  "Where spans are sent (OpenTelemetry): http:// or https://, host and port of a "
	  "collector; empty: none are made.",
	  "http://127.0.0.1:4318", AT(tracing_endpoint) },
	{ "tracing.format", CONFIG_CHOICE, "", "otlp", NULL, 0, 1, "otlp|zipkin", false,
	  "otlp: OTLP over HTTP, in binary. zipkin: Zipkin's JSON v2.", "zipkin",
	  AT(tracing_format) },
	{ "tracing.sample", CONFIG_INTEGER, "%", "10", NULL, 0, 100, "", false,
	  "Share of traces that begin here and are recorded; what comes with a traceparent is "
	  "recorded if that says so.",
	  "100", AT(tracing_sample_percent) },
	{ "healing.learn", CONFIG_INTEGER, "s", "60", NULL, 10, 256, "", false,
	  "Of its own past a node knows so much before its learned detectors judge; until then "
	  "rules "
	  "alone do.",
	  "120", AT(healing_learn_s) },
	{ "services", CONFIG_STRING, "", "\"\"", NULL, 0, 250, "", false,
	  "Services of this machine to watch, with commas between: tcp://HOST:PORT, http://..., "
	  "https://...; at most 16.",
	  "tcp://127.0.0.1:22,http://127.0.0.1/health", AT(services) },
	{ "notify.webhook", CONFIG_STRING, "", "\"\"", NULL, 0, 250, "", false,
	  "Where messages for people are posted as JSON: http:// or https://; empty: nowhere.",
	  "https://hooks.example.org/x0", AT(notify_webhook) },
	{ "notify.webhook_token_file", CONFIG_PATH, "", "\"\"", NULL, 0, 200, "", false,
	  "Holds the token that is shown to it (Authorization: Bearer), if it wants one. Read at "
	  "the start, as root; closed to others.",
	  "/etc/x0/webhook-token", AT(notify_webhook_token_file) },
	{ "notify.mail_server", CONFIG_STRING, "", "\"\"", NULL, 0, 200,
	  "a-z A-Z 0-9 . - _ : / [ ]", false,
	  "Mail server for such messages: smtps://HOST:PORT, or smtp:// with STARTTLS; empty: "
	  "none.",
	  "smtps://mail.example.org:465", AT(notify_mail_server) },
	{ "notify.mail_tls", CONFIG_CHOICE, "", "required", NULL, 0, 1, "required|none", false,
	  "none: mail goes by smtp:// without TLS, and then without a password: for a server on "
	  "this machine.",
	  "none", AT(notify_mail_is_plain) },
	{ "notify.mail_from", CONFIG_STRING, "", "\"\"", NULL, 0, 250, "", false,
	  "The address that mail is from.", "x0@example.org", AT(notify_mail_from) },
	{ "notify.mail_to", CONFIG_STRING, "", "\"\"", NULL, 0, 250, "", false,
	  "The address that mail goes to.", "admin@example.org", AT(notify_mail_to) },
	{ "notify.mail_user", CONFIG_STRING, "", "\"\"", NULL, 0, 250, "", false,
	  "User at the mail server, where it wants one.", "x0", AT(notify_mail_user) },
	{ "notify.mail_password_file", CONFIG_PATH, "", "\"\"", NULL, 0, 200, "", false,
	  "Holds its password. Read at the start, as root; closed to others.",
	  "/etc/x0/mail-password", AT(notify_mail_password_file) },
	{ "notify.telegram_chat", CONFIG_STRING, "", "\"\"", NULL, 0, 64, "a-z A-Z 0-9 - _ @",
	  false,
	  "Chat that a Telegram bot writes such messages to: its number or @name; empty: none.",
	  "-1001234567890", AT(notify_telegram_chat) },
	{ "notify.telegram_token_file", CONFIG_PATH, "", "\"\"", NULL, 0, 200, "", false,
	  "Holds the bot's token. Read at the start, as root; closed to others.",
	  "/etc/x0/telegram-token", AT(notify_telegram_token_file) },
	{ "notify.telegram_api", CONFIG_STRING, "", "https://api.telegram.org", NULL, 0, 200,
	  "a-z A-Z 0-9 . - _ : / [ ]", false, "Bot API server, where it is one of your own.", "",
	  AT(notify_telegram_api) },
	{ "notify.per_hour", CONFIG_INTEGER, "messages/h", "30", NULL, 1, 3600, "", false,
	  "Messages that leave by each way, after a few at once; more are held back and summed up.",
	  "10", AT(notify_per_hour) },
	{ "policy", CONFIG_RULES, "", POLICY_DEFAULT, NULL, 0, POLICY_RULES_MAX, "", true,
	  "Who may do what. A forbid that matches wins over every allow; what no rule allows is "
	  "denied.",
	  "", .offset = offsetof(struct config, rules),
	  .offset_n = offsetof(struct config, n_rules) },
};

static const struct config_renamed renamed[] = {
	{ "trust_domain", "domain" },
	{ "tun.device", "tun.name" },
};

const struct config_key *config_keys(size_t *ret_n)
{
	*ret_n = N_ELEMENTS(keys);
	return keys;
}

const struct config_key *config_key_find(const char *path)
{
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		if (strcmp(keys[i].path, path) == 0)
			return &keys[i];
	}
	return NULL;
}

const char *table_renamed(const char *path)
{
	for (size_t i = 0; i < N_ELEMENTS(renamed); i++) {
		if (strcmp(renamed[i].before, path) == 0)
			return renamed[i].now;
	}
	return NULL;
}

bool table_is_section(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		if (strncmp(keys[i].path, path, len) == 0 && keys[i].path[len] == '.')
			return true;
	}
	for (size_t i = 0; i < N_ELEMENTS(renamed); i++) {
		if (strncmp(renamed[i].before, path, len) == 0 && renamed[i].before[len] == '.')
			return true;
	}
	return false;
}

/* Levenshtein distance of texts up to 63 characters; more is far away. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = strlen(b);

	if (n >= N_ELEMENTS(row) || strlen(a) >= N_ELEMENTS(row))
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = diagonal + (*a != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *table_nearest(const char *path)
{
	const char *last = strrchr(path, '.');
	const char *nearest = NULL;
	unsigned best = (unsigned)strlen(path) / 2 + 1; /* farther is no help */

	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		const char *name = strrchr(keys[i].path, '.');
		unsigned d = distance(path, keys[i].path);

		/* the right word in the wrong section: mtu for tun.mtu */
		if (strcmp(last ? last + 1 : path, name ? name + 1 : keys[i].path) == 0)
			d = 1;
		if (d < best) {
			best = d;
			nearest = keys[i].path;
		}
	}
	return nearest;
}

/* ---- texts ---- */

void config_print_value(const struct config *c, const struct config_key *key, FILE *to)
{
	value_print(c, key, to);
}

/* The section of a path, 0 for none, and the heading where a new one begins. */
static size_t section(const struct config_key *key, const struct config_key *before,
		      const char *prefix, FILE *to)
{
	const char *dot = strchr(key->path, '.');
	size_t len = dot ? (size_t)(dot - key->path) : 0;

	if (len > 0 && !(before && strncmp(before->path, key->path, len + 1) == 0))
		(void)fprintf(to, "%s%.*s:\n", prefix, (int)len, key->path);
	return len;
}

void config_print(const struct config *c, FILE *to)
{
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		size_t len = section(&keys[i], i > 0 ? &keys[i - 1] : NULL, "", to);
		bool is_block = (keys[i].type == CONFIG_RULES || keys[i].type == CONFIG_PEERS) &&
				value_count(c, &keys[i]) > 0;

		(void)fprintf(to, "%s%s:", len ? "  " : "", keys[i].path + (len ? len + 1 : 0));
		if (is_block) {
			(void)fputc('\n', to);
			value_print_items(c, &keys[i], 2, to);
		} else {
			(void)fputc(' ', to);
			value_print(c, &keys[i], to);
			(void)fputc('\n', to);
		}
	}
}

void config_print_json(const struct config *c, FILE *to)
{
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		(void)fprintf(to, "%s\"%s\": ", i == 0 ? "{" : ", ", keys[i].path);
		value_print(c, &keys[i], to);
	}
	(void)fputs("}\n", to);
}

/* A default on one line. */
static const char *default_line(const struct config_key *key)
{
	if (key->type == CONFIG_RULES)
		return "members reach each other";
	if (strcmp(key->default_text, "\"\"") == 0)
		return "empty";
	return key->default_text;
}

void config_print_help(FILE *to)
{
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		const struct config_key *k = &keys[i];
		char allowed[200];

		value_print_allowed(k, allowed, sizeof(allowed));
		(void)fprintf(to, "%s\n    %s\n    Allowed: %s.\n    Default: %s", k->path, k->help,
			      allowed, default_line(k));
		if (k->default_user)
			(void)fprintf(to, " (without root: %s)", k->default_user);
		(void)fprintf(to, ". %s\n",
			      k->is_reloadable ? "Applied by a reload." : "Needs a restart.");
		if (*k->example)
			(void)fprintf(to, "    Example: %s\n", k->example);
	}
}

void config_print_markdown(FILE *to)
{
	(void)fputs("| key | allowed | default | change | meaning |\n|---|---|---|---|---|\n", to);
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		const struct config_key *k = &keys[i];
		char allowed[200];

		value_print_allowed(k, allowed, sizeof(allowed));
		(void)fprintf(to, "| `%s` | ", k->path);
		for (const char *s = allowed; *s; s++)
			(void)fprintf(to, *s == '|' ? "\\|" : "%c", *s);
		(void)fprintf(to, " | %s", default_line(k));
		if (k->default_user)
			(void)fprintf(to, "; without root `%s`", k->default_user);
		(void)fprintf(to, " | %s | %s |\n", k->is_reloadable ? "reload" : "restart",
			      k->help);
	}
}

static void print_lines(const char *text, const char *prefix, FILE *to)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		(void)fprintf(to, "%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void print_default_policy(FILE *to)
{
	(void)fputs(
		"# Members reach each other. To narrow it, take `connect` out of the first rule "
		"and\n"
		"# add rules such as\n"
		"#   - allow: connect\n"
		"#     from: \"spiffe://x0tta6bl4.mesh/node/laptop\"\n"
		"#     to: \"tcp:22\"\n"
		"# or forbid what must not be: a forbid wins over every allow.\n"
		"# The second rule lets whoever holds a valid invitation, or a certificate to "
		"renew, be\n"
		"# issued one; the third is for those who may open the control socket.\n"
		"policy:\n",
		to);
	print_lines(POLICY_DEFAULT, "  ", to);
}

static void print_default_key(const struct config_key *k, const char *value, size_t section_len,
			      FILE *to)
{
	const char *name = k->path + (section_len ? section_len + 1 : 0);

	(void)fprintf(to, "# %s\n", k->help);
	if (value) {
		(void)fprintf(to, "%s: ", name);
		print_quoted(value, to);
		(void)fputc('\n', to);
	} else {
		(void)fprintf(to, "#%s%s: %s", section_len ? "  " : "", name, k->default_text);
		if (k->default_user)
			(void)fprintf(to, " # without root: %s", k->default_user);
		(void)fputc('\n', to);
	}
}

void config_print_default_file(const char *domain, const char *name, FILE *to)
{
	(void)fputs("# Configuration of x0. Lines that begin with # show the defaults; `x0 config "
		    "help` says more,\n# `x0 config check` looks for mistakes.\n",
		    to);
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		const struct config_key *k = &keys[i];
		const char *value = NULL;

		if (strcmp(k->path, "domain") == 0)
			value = domain;
		else if (strcmp(k->path, "name") == 0)
			value = name;
		(void)fputc('\n', to);
		size_t len = section(k, i > 0 ? &keys[i - 1] : NULL, "#", to);

		if (k->type == CONFIG_RULES)
			print_default_policy(to);
		else
			print_default_key(k, value, len, to);
	}
}
