/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 doctor`: looks at everything a node needs, and says for each thing that is wrong the command
 * that mends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "core/node/membership.h"
#include "shell/loop/loop.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/store/store.h"
#include "shell/udp/udp.h"

#define PROBE_MS 2000
#define RENEW_WARNING_S (5 * 86400)
#define LINE_SIZE 600

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)

enum health {
	HEALTH_OK,
	HEALTH_WARNING,
	HEALTH_FAILURE,
};

struct doctor {
	struct cli *c;
	json_t *checks;
	unsigned n_failures;
	unsigned n_warnings;
	struct config *config;
	json_t *status; /* of the daemon; NULL where it does not answer */
};

/* mend is the next command, "" where nothing has to be done. */
static void tell(struct doctor *d, enum health health, const char *what, const char *mend,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(struct doctor *d, enum health health, const char *what, const char *mend,
		 const char *format, ...)
{
	static const char *const words[] = { "ok", "warning", "failure" };
	static const enum cli_colour colours[] = { CLI_GREEN, CLI_YELLOW, CLI_RED };
	char text[LINE_SIZE];
	char plain[LINE_SIZE];
	CLEANUP_FREE char *copy = NULL;
	va_list args;

	mend = cli_hint(d->c, mend, &copy);
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_plain(text, plain, sizeof(plain));
	d->n_failures += health == HEALTH_FAILURE;
	d->n_warnings += health == HEALTH_WARNING;
	cli_say(d->c, "%s%-8s%s %-14s %s", cli_colour(d->c, colours[health]), words[health],
		cli_colour(d->c, CLI_PLAIN), what, plain);
	if (mend[0])
		cli_say(d->c, "%-8s %-14s -> %s", "", "", mend);
	(void)json_array_append_new(d->checks,
				    json_pack("{s:s, s:s, s:s, s:s}", "check", what, "health",
					      words[health], "message", plain, "next", mend));
}

/* ---- files ---- */

static void check_config(struct doctor *d)
{
	struct config_environment env;
	struct config_report report;
	char path[CLI_PATH_SIZE];
	int r;

	if (cli_config_path(d->c, path) != 0)
		return;
	config_environment_read(&env);
	r = config_load(path, &env, &d->config, &report);
	if (r == 0)
		tell(d, report.n_warnings ? HEALTH_WARNING : HEALTH_OK, "configuration",
		     report.n_warnings ? "x0 config check" : "", "%s, %zu warnings", path,
		     report.n_warnings);
	else if (r == -ENOENT)
		tell(d, HEALTH_FAILURE, "configuration",
		     "x0 init --domain NAME, or x0 join x0://...",
		     "%s is not there: this machine is no node yet", path);
	else if (r == -EINVAL && report.n > 0)
		tell(d, HEALTH_FAILURE, "configuration", "x0 config check", "%s:%u: %s", path,
		     report.problems[0].line, report.problems[0].text);
	else
		tell(d, HEALTH_FAILURE, "configuration", "sudo x0 doctor", "%s: %s", path,
		     strerror(-r));
	if (r < 0)
		(void)config_new(&env, &d->config);
}

static void check_dates(struct doctor *d, const struct membership *is)
{
	const char *ignored;
	const struct crypto_ops *ops = openssl_crypto_ops(&ignored);
	int64_t now_s = loop_unix_ms() / 1000;
	char date[TEXT_SIZE];
	struct cert leaf;

	if (!ops || ops->cert_read(is->chain[0], &leaf) < 0) {
		tell(d, HEALTH_FAILURE, "certificate", "x0 leave, then x0 join x0://...",
		     "the node's certificate cannot be read");
		return;
	}
	text_date(leaf.not_after_s, date);
	if (now_s < leaf.not_before_s)
		tell(d, HEALTH_FAILURE, "certificate", "timedatectl set-ntp true",
		     "not valid yet: this machine's clock is slow");
	else if (now_s > leaf.not_after_s)
		tell(d, HEALTH_FAILURE, "certificate", "x0 leave, then x0 join x0://...",
		     "expired %s; it was not renewed in time", date);
	else if (leaf.not_after_s - now_s < RENEW_WARNING_S)
		tell(d, HEALTH_WARNING, "certificate", "x0 ping AUTHORITY",
		     "valid only until %s: the authority has not been reached to renew it", date);
	else
		tell(d, HEALTH_OK, "certificate", "", "%s, valid until %s", is->spiffe_id, date);
}

static void check_membership(struct doctor *d, const struct store *s)
{
	struct store_value bytes = { 0 };
	struct membership is;
	struct store_error e;
	int r = store_read(s, STORE_MEMBERSHIP, &bytes, &e);

	if (r == -ENOENT) {
		tell(d, HEALTH_FAILURE, "membership", "x0 init --domain NAME, or x0 join x0://...",
		     "this machine is not a member of a mesh yet");
	} else if (r < 0) {
		tell(d, HEALTH_FAILURE, "membership", "", "%s", e.text);
	} else if (membership_decode(store_value_span(&bytes), &is) < 0 ||
		   is.status != MEMBERSHIP_GRANTED) {
		tell(d, HEALTH_FAILURE, "membership", "x0 leave, then x0 join x0://...",
		     "the file is damaged");
	} else {
		check_dates(d, &is);
		bytes_wipe(is.keys, sizeof(is.keys));
	}
	store_value_done(&bytes);
}

static void check_clock(struct doctor *d, const struct store *s)
{
	int64_t now_s = loop_unix_ms() / 1000;
	struct store_error e;
	int64_t clock_s;

	if (store_clock(s, now_s, 0, &clock_s, &e) < 0)
		tell(d, HEALTH_WARNING, "clock", "", "%s", e.text);
	else if (clock_s > now_s)
		tell(d, HEALTH_WARNING, "clock", "timedatectl set-ntp true",
		     "at least %lld s slow: it was later before", (long long)(clock_s - now_s));
	else
		tell(d, HEALTH_OK, "clock", "", "not before the last time seen");
}

static void check_state(struct doctor *d)
{
	CLEANUP(store_closep) struct store *s = NULL;
	const char *dir = d->config->state_dir;
	struct store_error e;
	struct stat st;
	int r;

	if (stat(dir, &st) < 0) {
		tell(d, HEALTH_FAILURE, "state",
		     errno == ENOENT ? "x0 init --domain NAME, or x0 join x0://..."
				     : "sudo x0 doctor",
		     "%s: %s", dir, strerror(errno));
		return;
	}
	r = access(dir, R_OK | X_OK) < 0 ? -errno : store_open(dir, STORE_LOOK, &s, &e);
	if (r == -EACCES) {
		tell(d, HEALTH_WARNING, "state", "sudo x0 doctor",
		     "%s is closed to you, so that its content cannot be checked", dir);
		return;
	}
	if (r < 0) {
		tell(d, HEALTH_FAILURE, "state", "", "%s", e.text);
		return;
	}
	tell(d, HEALTH_OK, "state", "", "%s, mode %03o%s", dir, st.st_mode & 0777,
	     store_has(s, STORE_AUTHORITY_MLDSA_KEY) ? "; holds the domain's authority" : "");
	check_membership(d, s);
	check_clock(d, s);
}

/* ---- the machine ---- */

static void check_tun(struct doctor *d)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		(void)close(fd);
		tell(d, HEALTH_OK, "tun", "", "/dev/net/tun can be opened");
	} else if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
		tell(d, HEALTH_FAILURE, "tun", "sudo modprobe tun",
		     "/dev/net/tun is not there; in a container it has to be given by its host");
	} else {
		tell(d, HEALTH_FAILURE, "tun",
		     "a node with a tunnel is root's: sudo x0 init, or sudo x0 join",
		     "/dev/net/tun: %s", strerror(errno));
	}
}

static bool has_capability(cap_value_t capability)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (caps)
		(void)cap_get_flag(caps, capability, CAP_EFFECTIVE, &value);
	(void)cap_free(caps);
	return value == CAP_SET;
}

static void check_privileges(struct doctor *d)
{
	if (has_capability(CAP_NET_ADMIN))
		tell(d, HEALTH_OK, "privileges", "", "CAP_NET_ADMIN is here");
	else if (d->status)
		tell(d, HEALTH_OK, "privileges", "", "none are needed: the daemon runs");
	else
		tell(d, HEALTH_WARNING, "privileges",
		     "a node with a tunnel is root's: sudo x0 init, or sudo x0 join",
		     "without CAP_NET_ADMIN a daemon started by you relays, but has no tunnel");
}

static bool find_program(const char *name, char *ret, size_t size)
{
	static const char *const directories[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin",
						   "/usr/local/sbin" };

	for (size_t i = 0; i < N_ELEMENTS(directories); i++) {
		(void)snprintf(ret, size, "%s/%s", directories[i], name);
		if (access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

static void check_nft(struct doctor *d)
{
	char path[64];

	if (find_program("nft", path, sizeof(path)))
		tell(d, HEALTH_OK, "nftables", "", "%s", path);
	else
		tell(d, HEALTH_FAILURE, "nftables", "sudo apt install nftables",
		     "nft is not installed: nothing stops packets from outside with a source "
		     "inside the mesh");
}

static void check_user(struct doctor *d)
{
	const struct group *group = getgrnam(CONTROL_GROUP);

	if (geteuid() == 0 && !getpwnam(d->config->user))
		tell(d, HEALTH_WARNING, "account",
		     "sudo useradd --system --no-create-home --shell /usr/sbin/nologin x0",
		     "there is no user %s: the daemon becomes nobody instead", d->config->user);
	else
		tell(d, HEALTH_OK, "account", "", "the daemon runs as %s",
		     geteuid() == 0 ? d->config->user : "you");
	if (!group)
		tell(d, HEALTH_WARNING, "group", "sudo groupadd --system x0",
		     "there is no group x0: only root can operate root's daemon");
	else
		tell(d, HEALTH_OK, "group", "", "members of x0 can operate the daemon");
}

static bool read_number(const char *path, long *ret)
{
	FILE *f = fopen(path, "re");
	char text[32];
	bool is_read;

	if (!f)
		return false;
	is_read = fgets(text, sizeof(text), f) != NULL;
	(void)fclose(f);
	if (is_read)
		*ret = strtol(text, NULL, 10);
	return is_read;
}

/* Only the demo wants them, and only without root. */
static void check_namespaces(struct doctor *d)
{
	long n;

	if (read_number("/proc/sys/user/max_user_namespaces", &n) && n == 0)
		tell(d, HEALTH_WARNING, "namespaces", "sudo sysctl user.max_user_namespaces=10000",
		     "user namespaces are off: the demo needs root");
	else if (read_number("/proc/sys/kernel/unprivileged_userns_clone", &n) && n == 0)
		tell(d, HEALTH_WARNING, "namespaces",
		     "sudo sysctl kernel.unprivileged_userns_clone=1",
		     "user namespaces are for root only: so is the demo");
	else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", &n) &&
		 n == 1)
		tell(d, HEALTH_WARNING, "namespaces",
		     "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
		     "AppArmor restricts user namespaces: the demo may need root");
	else
		tell(d, HEALTH_OK, "namespaces", "", "user namespaces are there, for the demo");
}

static void check_crypto(struct doctor *d)
{
	struct crypto_description crypto;
	const char *error = "";

	if (!openssl_crypto_ops(&error) || crypto_openssl_describe(&crypto) < 0) {
		tell(d, HEALTH_FAILURE, "cryptography", "sudo apt install --reinstall libssl3",
		     "%s", error);
		return;
	}
	tell(d, HEALTH_OK, "cryptography", "", "%s; ML-KEM-768 and ML-DSA-65 are %s",
	     crypto.library,
	     crypto.is_own_pq ? "the library's own"
			      : "ours (provider x0pq): the library has them from 3.5 on");
	for (unsigned i = 0; i < crypto.n_rows; i++)
		if (crypto.rows[i].why[0])
			tell(d, HEALTH_OK, "packet cipher", "", "%s is %s: %s",
			     crypto.rows[i].algorithm,
			     strcmp(crypto.rows[i].provider, "x0vaes") == 0 ? "ours" : "OpenSSL's",
			     crypto.rows[i].why);
}

static void check_ports(struct doctor *d)
{
	for (size_t i = 0; i < d->config->n_listen; i++) {
		char text[ENDPOINT_TEXT_SIZE];
		char why[UDP_WHY_SIZE];
		struct udp *u;

		endpoint_format(&d->config->listen[i], text);
		if (d->status) {
			tell(d, HEALTH_OK, "port", "", "UDP %s is for the daemon", text);
		} else if (udp_open(&d->config->listen[i], &u, why) == 0) {
			udp_free(u);
			tell(d, HEALTH_OK, "port", "", "UDP %s is free", text);
		} else {
			tell(d, HEALTH_FAILURE, "port", "ss -ulpn", "%s", why);
		}
	}
}

/* ---- the daemon ---- */

static void check_features(struct doctor *d)
{
	const json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(d->status, "features"), i, feature)
	{
		const char *name = json_text(feature, "name");
		const char *why = json_text(feature, "why");

		if (strcmp(name, "batman") == 0 && json_flag(feature, "is_on"))
			continue; /* check_batman() */
		if (json_flag(feature, "is_on"))
			tell(d, HEALTH_OK, name, "", "on%s%s", why[0] ? ": " : "", why);
		else if (strncmp(name, "offload.", 8) == 0) /* slower, and nothing worse */
			tell(d, HEALTH_OK, name, "", "off: %s", why);
		else
			tell(d, HEALTH_WARNING, name, "mend it, then: x0 down, x0 up", "off: %s",
			     why);
	}
}

static void check_daemon(struct doctor *d)
{
	int r = cli_probe(d->config->socket, PROBE_MS, false, &d->status);

	if (r == 0)
		tell(d, HEALTH_OK, "daemon", "", "answers (process %lld, %lld restarts)",
		     (long long)json_number(d->status, "pid"),
		     (long long)json_number(d->status, "restarts"));
	else if (r == -EACCES || r == -EPERM)
		tell(d, HEALTH_FAILURE, "daemon", "sudo usermod -aG x0 $USER, and log in again",
		     "it runs, but you may not operate it");
	else if (r == -ENOENT || r == -ECONNREFUSED)
		tell(d, HEALTH_FAILURE, "daemon", "x0 up", "does not run");
	else
		tell(d, HEALTH_FAILURE, "daemon", "x0 down, then x0 up", "does not answer: %s",
		     strerror(-r));
}

/* As a program of this machine would ask. The daemon answers this host's questions at once; what
 * takes long here is the resolver's own patience. */
static bool resolves(const char *name, const char *address)
{
	const struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	struct in6_addr expected;
	bool is_found = false;

	if (inet_pton(AF_INET6, address, &expected) != 1 ||
	    getaddrinfo(name, NULL, &hints, &list) != 0)
		return false;
	for (const struct addrinfo *i = list; i; i = i->ai_next) {
		struct sockaddr_in6 at;

		memcpy(&at, i->ai_addr, sizeof(at));
		is_found |= memcmp(&at.sin6_addr, &expected, sizeof(expected)) == 0;
	}
	freeaddrinfo(list);
	return is_found;
}

static void check_names(struct doctor *d)
{
	const json_t *names = json_object_get(d->status, "names");
	const char *name = json_text(names, "name");
	const char *resolver = json_text(names, "resolver");

	if (!names)
		return; /* it does not run, or is older */
	if (!json_flag(names, "is_on"))
		tell(d, HEALTH_OK, "resolver", "", "names of nodes are off: %s",
		     json_text(names, "why"));
	else if (resolves(name, json_text(d->status, "address")))
		tell(d, HEALTH_OK, "resolver", "", "%s resolves on this machine (by %s)", name,
		     strcmp(resolver, "none") == 0 ? "a setting of your own" : resolver);
	else if (strcmp(resolver, "none") == 0)
		tell(d, HEALTH_WARNING, "resolver",
		     "names: {resolv_conf: manage} in the configuration, then x0 down, x0 up; or "
		     "install systemd-resolved",
		     "%s does not resolve on this machine: %s", name, json_text(names, "why"));
	else if (strcmp(resolver, "systemd-resolved") == 0)
		tell(d, HEALTH_WARNING, "resolver",
		     "sudo ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
		     "systemd-resolved knows of %s, but programs here do not ask it", name);
	else
		tell(d, HEALTH_WARNING, "resolver", "grep hosts /etc/nsswitch.conf",
		     "%s does not resolve on this machine (%s); does hosts: name dns?", name,
		     resolver);
}

static void check_discovery(struct doctor *d)
{
	const json_t *discovery = json_object_get(d->status, "discovery");
	const json_t *interfaces = json_object_get(discovery, "interfaces");
	const json_t *counters = json_object_get(discovery, "counters");
	char names[LINE_SIZE / 2] = "";
	const json_t *name;
	size_t i;

	if (!discovery)
		return; /* it does not run, or is older */
	json_array_foreach(interfaces, i, name)
	{
		size_t len = strlen(names);

		(void)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "",
			       json_string_value(name));
	}
	if (!json_flag(discovery, "is_on"))
		tell(d, HEALTH_OK, "discovery", "", "off: %s", json_text(discovery, "why"));
	else if (names[0] == '\0')
		tell(d, HEALTH_OK, "discovery", "", "on, but there is no Ethernet that is up%s",
		     d->config->discovery_interfaces[0] ? " among discovery.interfaces" : "");
	else if (json_number(counters, "seconds_flooded") > 0)
		tell(d, HEALTH_WARNING, "discovery", "tcpdump -ni any udp port 7777",
		     "somebody floods UDP port 7777 (%s): new nodes may not be found; links "
		     "that are there go on",
		     names);
	else
		tell(d, HEALTH_OK, "discovery", "", "on, %zu nodes heard on %s",
		     json_array_size(json_object_get(discovery, "nodes")), names);
}

static void check_batman(struct doctor *d)
{
	const json_t *b = json_object_get(d->status, "batman");
	const json_t *interface;
	size_t i;

	if (!json_is_object(b) || !json_flag(b, "is_on"))
		return; /* that it is off is told as a feature */
	json_array_foreach(json_object_get(b, "interfaces"), i, interface)
	{
		if (!json_flag(interface, "is_open"))
			tell(d, HEALTH_WARNING, "batman", "ip link", "%s",
			     json_text(interface, "why"));
	}
	tell(d, HEALTH_OK, "batman", "", "%s: %lld neighbours%s%s", json_text(b, "device"),
	     (long long)json_number(b, "neighbours"), json_text(b, "why")[0] ? "; " : "",
	     json_text(b, "why"));
	if (d->config->n_batman_addresses == 0 || d->config->n_offers == 0)
		tell(d, HEALTH_WARNING, "batman",
		     "batman.addresses and routes.offer in the configuration",
		     "its network is not offered: the overlay does not reach it");
}

static void check_boot(struct doctor *d)
{
	char why[CLI_TEXT_SIZE];
	char path[CLI_PATH_SIZE];

	if (cli_config_path(d->c, path) != 0)
		return;
	if (service_is_usable(path, why))
		tell(d, HEALTH_OK, "boot", "", "systemd's unit x0.service is installed");
	else
		tell(d, HEALTH_WARNING, "boot", "", "%s", why);
}

static void check_tracing(struct doctor *d)
{
	const json_t *t = json_object_get(d->status, "tracing");
	int64_t lost =
		json_number(t, "dropped") + json_number(t, "refused") + json_number(t, "given_up");

	if (!d->config->tracing_endpoint[0])
		tell(d, HEALTH_OK, "tracing", "", "off: tracing.endpoint is not set");
	else if (t && json_flag(t, "is_on") && lost > 0)
		tell(d, HEALTH_WARNING, "tracing", "is the collector there, and does it keep up?",
		     "%lld spans sent to %s, %lld lost", (long long)json_number(t, "sent"),
		     json_text(t, "endpoint"), (long long)lost);
	else if (t && json_flag(t, "is_on"))
		tell(d, HEALTH_OK, "tracing", "", "%lld spans sent to %s",
		     (long long)json_number(t, "sent"), json_text(t, "endpoint"));
}

int verb_doctor(struct cli *c)
{
	struct doctor d = { .c = c, .checks = json_array() };

	check_config(&d);
	if (d.config) {
		check_state(&d);
		check_daemon(&d);
		check_features(&d);
		check_names(&d);
		check_discovery(&d);
		check_batman(&d);
		check_tracing(&d);
		check_ports(&d);
		check_user(&d);
	}
	check_tun(&d);
	check_privileges(&d);
	check_nft(&d);
	check_namespaces(&d);
	check_crypto(&d);
	check_boot(&d);
	cli_say(c, "%u failures, %u warnings.", d.n_failures, d.n_warnings);
	cli_json(c,
		 json_pack("{s:b, s:i, s:i, s:o}", "is_healthy", d.n_failures == 0, "failures",
			   (int)d.n_failures, "warnings", (int)d.n_warnings, "checks", d.checks));
	json_decref(d.status);
	config_free(d.config);
	return d.n_failures ? CLI_FAILED : CLI_DONE;
}
