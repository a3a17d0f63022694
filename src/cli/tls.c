/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 tls serve` and `x0 tls connect`: what TLS with a peer comes to, shown. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "daemon/member.h"
#include "shell/loop/loop.h"
#include "shell/tls/tls.h"

#define LISTEN_DEFAULT "[::1]:26971"
#define TIMEOUT_MS 10000 /* for a whole handshake, and for a request */
#define VERDICT_MS 500	 /* a server that refuses our certificate says so after the handshake */
#define REQUEST_MAX 8192 /* bytes of an HTTP request */
#define SUBJECT_SIZE 256
#define HOST_SIZE 256

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)
DEFINE_FREEP(SSL_CTX, SSL_CTX_free)
DEFINE_FREEP(SSL, SSL_free)
DEFINE_FREEP(X509, X509_free)

static void close_socket(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* What the verb was asked for, and what it stands on. */
struct talk {
	struct cli *c;
	enum tls_groups groups;
	bool is_insecure;
	char expected[SPIFFE_ID_SIZE];
	struct member *member;
	struct trust trust;
	int64_t clock_floor_s;
	SSL_CTX *ctx;
};

static void talk_done(struct talk *t)
{
	SSL_CTX_free(t->ctx);
	revocation_done(&t->trust.revoked);
	member_free(t->member);
}

/* ---- identity and trust ---- */

static int64_t unix_now_s(void *arg)
{
	const struct talk *t = arg;
	int64_t now_s = loop_unix_ms() / 1000;

	return now_s > t->clock_floor_s ? now_s : t->clock_floor_s;
}

/* The roots of the bundle for TLS are those with P-256 keys. */
static int fill_trust(struct talk *t)
{
	const struct membership *is = &t->member->is;
	struct cert root;

	(void)snprintf(t->trust.domain, sizeof(t->trust.domain), "%s", t->member->domain);
	t->trust.is_p256 = true;
	for (size_t i = 0; i < is->n_roots && t->trust.n_roots < BUNDLE_ROOTS_MAX; i++)
		if (t->trust.ops->cert_read(is->roots[i], &root) == 0 && root.is_p256)
			t->trust.roots[t->trust.n_roots++] = is->roots[i];
	if (is->revocations.len == 0)
		return 0;
	return revocation_decode(t->trust.ops, is->revocations, t->member->mldsa_roots,
				 t->member->n_mldsa_roots, &t->trust.revoked);
}

static int load_member(struct talk *t)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(store_closep) struct store *s = NULL;
	struct store_error e;
	int r = cli_config_or_default(t->c, &config);

	if (r != 0)
		return r;
	r = store_open(config->state_dir, STORE_LOOK, &s, &e);
	if (r == 0)
		r = store_clock(s, loop_unix_ms() / 1000, 0, &t->clock_floor_s, &e);
	if (r == 0)
		r = member_load(s, t->trust.ops, &t->member, &e);
	if (r == -ENOENT)
		return cli_fail(
			t->c, CLI_FAILED, "not_a_member",
			"this machine is not a member of a mesh: join one (x0 join x0://...), "
			"or look at any server with: x0 tls connect --insecure HOST:PORT");
	if (r < 0)
		return cli_fail(t->c, setup_exit_of(r), "state", "%s%s", e.text,
				geteuid() != 0 && setup_exit_of(r) == CLI_DENIED
					? "; as root: sudo x0 tls ..."
					: "");
	if (fill_trust(t) < 0)
		return cli_fail(t->c, CLI_FAILED, "state",
				"the list of revoked certificates is damaged; see: x0 doctor");
	return 0;
}

/* ---- options ---- */

static int read_groups(struct talk *t)
{
	const char *text = cli_value(t->c, "groups");

	if (!text || strcmp(text, "hybrid") == 0)
		t->groups = TLS_GROUPS_HYBRID;
	else if (strcmp(text, "any") == 0)
		t->groups = TLS_GROUPS_ANY;
	else if (strcmp(text, "classic") == 0)
		t->groups = TLS_GROUPS_CLASSIC;
	else
		return cli_usage(t->c, "--groups is hybrid, any or classic, not \"%s\"", text);
	return 0;
}

/* "HOST:PORT" or "[ADDRESS]:PORT" into its halves. */
static int read_address(struct cli *c, const char *text, char ret_host[HOST_SIZE],
			const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	bool has_brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
	uint64_t port;

	if (has_brackets) {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= HOST_SIZE || (!has_brackets && memchr(text, ':', len)) ||
	    text_number(colon + 1, 0, 65535, &port) < 0)
		return cli_usage(c, "an address is HOST:PORT or [ADDRESS]:PORT");
	memcpy(ret_host, text, len);
	ret_host[len] = '\0';
	*ret_port = colon + 1;
	return 0;
}

static int read_expected(struct talk *t)
{
	const char *name = cli_value(t->c, "node");

	if (!name)
		return 0;
	if (t->is_insecure)
		return cli_usage(t->c, "with --insecure nobody is verified: leave --node out");
	if (spiffe_id_format(t->member->domain, name, t->expected) < 0)
		return cli_usage(t->c, "\"%s\" is not a node's name", name);
	return 0;
}

static int make_context(struct talk *t, bool is_server)
{
	bool shows_identity = t->member && !cli_given(t->c, "no-identity");
	struct tls_config config = {
		.is_server = is_server,
		.groups = t->groups,
		.chain = shows_identity ? t->member->is.chain_p256 : NULL,
		.n_chain = shows_identity ? t->member->is.n_chain_p256 : 0,
		.key = shows_identity ? t->member->key_p256 : NULL,
		.trust = t->is_insecure ? NULL : &t->trust,
		.unix_s = unix_now_s,
		.arg = t,
		.alpn = is_server ? NULL : cli_value(t->c, "alpn"),
	};
	char why[TLS_WHY_SIZE];

	t->ctx = tls_context_new(&config, why);
	return t->ctx ? 0 : cli_fail(t->c, CLI_FAILED, "tls", "%s; see: x0 doctor", why);
}

static int prepare(struct talk *t, bool is_server)
{
	const char *error = "";
	int r = read_groups(t);

	t->is_insecure = cli_given(t->c, "insecure");
	t->trust.ops = openssl_crypto_ops(&error);
	if (r == 0 && !t->trust.ops)
		return cli_fail(t->c, CLI_FAILED, "crypto", "%s; see: x0 doctor", error);
	/* a client that verifies nobody and shows nothing needs no membership */
	if (r == 0 && (is_server || !t->is_insecure))
		r = load_member(t);
	if (r == 0)
		r = read_expected(t);
	if (r == 0)
		r = make_context(t, is_server);
	if (r == 0 && t->is_insecure)
		cli_note(t->c, is_server ? "x0: --insecure: any client is served"
					 : "x0: --insecure: the server is not verified, it may be "
					   "anybody");
	return r;
}

/* ---- telling ---- */

static void subject_of(const SSL *ssl, char ret[SUBJECT_SIZE])
{
	CLEANUP(X509_freep) X509 *cert = SSL_get1_peer_certificate(ssl);
	char *line = cert ? X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0) : NULL;

	text_plain(line ? line : "", ret, SUBJECT_SIZE);
	OPENSSL_free(line);
}

static json_t *description_json(const SSL *ssl, const struct tls_description *d, double ms)
{
	char subject[SUBJECT_SIZE];
	json_t *all = json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:b, s:f}", "version", d->version,
				"group", d->group, "code_point", (int)d->code_point, "is_hybrid",
				d->is_hybrid, "suite", d->suite, "alpn", d->alpn, "is_verified",
				d->has_peer, "handshake_ms", ms);

	subject_of(ssl, subject);
	if (d->has_peer)
		(void)json_object_set_new(
			all, "peer",
			json_pack("{s:s, s:s, s:I, s:I}", "spiffe_id", d->peer.spiffe_id, "name",
				  d->peer.name, "not_before_s", (json_int_t)d->peer.not_before_s,
				  "not_after_s", (json_int_t)d->peer.not_after_s));
	else if (subject[0])
		(void)json_object_set_new(all, "subject", json_string(subject));
	return all;
}

static void tell(struct talk *t, const SSL *ssl, double ms)
{
	char subject[SUBJECT_SIZE], date[TEXT_SIZE];
	struct tls_description d;

	tls_describe(ssl, &d);
	if (t->c->is_json) {
		json_t *json = description_json(ssl, &d, ms);

		cli_json_line(t->c, json);
		json_decref(json);
		return;
	}
	cli_say(t->c, "%s, %s (0x%04x%s), %s%s%s, %.1f ms", d.version, d.group, d.code_point,
		d.is_hybrid ? ", post-quantum" : ", NOT post-quantum", d.suite,
		d.alpn[0] ? ", " : "", d.alpn, ms);
	subject_of(ssl, subject);
	if (d.has_peer) {
		text_date(d.peer.not_after_s, date);
		cli_say(t->c, "peer: %s, certificate valid until %s", d.peer.spiffe_id, date);
	} else {
		cli_say(t->c, "peer: NOT verified%s%s", subject[0] ? "; its certificate says " : "",
			subject);
	}
}

static void set_timeout(int fd, int ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* One handshake on a connected socket. NULL, with the reason said, when it fails. */
static SSL *handshake(struct talk *t, int fd, bool is_server, const char *host, double *ret_ms)
{
	CLEANUP(SSL_freep) SSL *ssl = SSL_new(t->ctx);
	uint64_t start_us = loop_now_us();
	char why[TLS_WHY_SIZE];
	struct endpoint none;
	int r;

	set_timeout(fd, TIMEOUT_MS);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || tls_expect(ssl, t->expected) < 0)
		return NULL;
	if (host && endpoint_parse(host, 0, &none) < 0 && !strchr(host, ':'))
		(void)SSL_set_tlsext_host_name(ssl, host);
	r = is_server ? SSL_accept(ssl) : SSL_connect(ssl);
	*ret_ms = (double)(loop_now_us() - start_us) / 1000;
	if (r == 1)
		return TAKE(ssl);
	tls_explain(ssl, why);
	(void)cli_fail(t->c, CLI_FAILED, "handshake", "no TLS connection: %s%s", why,
		       t->groups == TLS_GROUPS_HYBRID
			       ? " (peers without hybrid groups: --groups any)"
			       : "");
	return NULL;
}

/* ---- connect ---- */

static int open_to(struct cli *c, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int e = getaddrinfo(host, port, &hints, &found);
	int fd = -1;

	if (e != 0) {
		(void)cli_fail(c, CLI_FAILED, "resolve", "%s: %s", host, gai_strerror(e));
		return -1;
	}
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		set_timeout(fd, TIMEOUT_MS);
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		e = errno;
		(void)close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd < 0)
		(void)cli_fail(c, CLI_FAILED, "connect", "cannot connect to %s port %s: %s", host,
			       port, strerror(e == EAGAIN || e == EINPROGRESS ? ETIMEDOUT : e));
	return fd;
}

/* In TLS 1.3 a client is done before the server has judged its certificate: a refusal comes as
 * the first thing to read. Silence, or data, is consent. */
static int await_verdict(struct talk *t, SSL *ssl, int fd)
{
	char why[TLS_WHY_SIZE];
	char byte;

	set_timeout(fd, VERDICT_MS);
	if (SSL_peek(ssl, &byte, 1) > 0 || SSL_get_error(ssl, 0) != SSL_ERROR_SSL)
		return 0;
	tls_explain(ssl, why);
	return cli_fail(t->c, CLI_FAILED, "refused", "the server refuses us: %s", why);
}

static int tls_connect(struct talk *t)
{
	CLEANUP(close_socket) int fd = -1;
	CLEANUP(SSL_freep) SSL *ssl = NULL;
	char host[HOST_SIZE];
	const char *port;
	double ms = 0;
	int r;

	if (t->c->n_args != 2)
		return cli_usage(t->c, "connect to what? x0 tls connect HOST:PORT");
	r = read_address(t->c, t->c->args[1], host, &port);
	if (r == 0)
		r = prepare(t, false);
	if (r != 0)
		return r;
	fd = open_to(t->c, host, port);
	ssl = fd < 0 ? NULL : handshake(t, fd, false, host, &ms);
	if (!ssl)
		return CLI_FAILED;
	r = await_verdict(t, ssl, fd);
	if (r == 0)
		tell(t, ssl, ms);
	(void)SSL_shutdown(ssl);
	return r;
}

/* ---- serve ---- */

static int listen_on(struct cli *c, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	const int on = 1;
	int e = getaddrinfo(host, port, &hints, &found);
	int fd = -1;

	if (e != 0) {
		(void)cli_fail(c, CLI_FAILED, "resolve", "%s: %s", host, gai_strerror(e));
		return -1;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 16) < 0) {
		(void)cli_fail(c, errno == EACCES ? CLI_DENIED : CLI_FAILED, "listen",
			       "cannot listen on %s port %s: %s; another: --listen HOST:PORT", host,
			       port, strerror(errno));
		close_socket(&fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* To the end of the header of an HTTP request, or whatever came until then. */
static bool read_request(SSL *ssl)
{
	char request[REQUEST_MAX + 1];
	size_t len = 0;

	while (len < REQUEST_MAX) {
		int n = SSL_read(ssl, request + len, (int)(REQUEST_MAX - len));

		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n"))
			return true;
	}
	return false;
}

/* A page that says what this connection is, for browsers and curl. */
static void answer(SSL *ssl, double ms)
{
	struct tls_description d;
	char *body = NULL;
	char *page = NULL;
	json_t *json;
	int len;

	tls_describe(ssl, &d);
	json = description_json(ssl, &d, ms);
	body = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	if (!body)
		return;
	len = asprintf(&page,
		       "HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
		       "Content-Length: %zu\r\nCache-Control: no-store\r\n\r\n%s",
		       strlen(body), body);
	free(body);
	if (len < 0)
		return;
	(void)SSL_write(ssl, page, len);
	free(page);
}

/* A connection at a time: this is a diagnostic. True when one came about. */
static bool serve_one(struct talk *t, int listener)
{
	CLEANUP(close_socket) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CLEANUP(SSL_freep) SSL *ssl = NULL;
	double ms = 0;

	if (fd < 0)
		return false;
	ssl = handshake(t, fd, true, NULL, &ms);
	if (!ssl)
		return false;
	tell(t, ssl, ms);
	(void)fflush(t->c->out);
	if (read_request(ssl))
		answer(ssl, ms);
	(void)SSL_shutdown(ssl);
	return true;
}

static int tls_serve(struct talk *t)
{
	const char *text = cli_value(t->c, "listen");
	CLEANUP(close_socket) int fd = -1;
	char host[HOST_SIZE];
	const char *port;
	int r = t->c->n_args == 1 ? 0 : cli_usage(t->c, "serve takes no address; see --listen");

	if (r == 0)
		r = read_address(t->c, text ? text : LISTEN_DEFAULT, host, &port);
	if (r == 0)
		r = prepare(t, true);
	if (r != 0)
		return r;
	fd = listen_on(t->c, host, port);
	if (fd < 0)
		return CLI_FAILED;
	cli_note(t->c, "x0: listening on %s; end with Ctrl-C", text ? text : LISTEN_DEFAULT);
	while (!serve_one(t, fd) || !cli_given(t->c, "once"))
		;
	return 0;
}

int verb_tls(struct cli *c)
{
	struct talk t = { .c = c };
	int r;

	if (strcmp(c->args[0], "serve") == 0)
		r = tls_serve(&t);
	else if (strcmp(c->args[0], "connect") == 0)
		r = tls_connect(&t);
	else
		r = cli_usage(c, "serve or connect, not \"%s\"", c->args[0]);
	talk_done(&t);
	return r;
}
