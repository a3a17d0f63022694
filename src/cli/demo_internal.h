/* SPDX-License-Identifier: Apache-2.0 */
/* demo_internal.h - what the files of the demo share: its nodes, its links, its findings. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define DEMO_NODES_MAX 16
#define DEMO_LINKS_MAX 22 /* of two rows of eight: 2 * 7 beside each other, 8 upon each other */
#define DEMO_PATH_SIZE 200
#define DEMO_TEXT_SIZE 512
#define DEMO_OUTPUT_SIZE 8192 /* of a program that is run */
#define DEMO_DOMAIN "demo.mesh"
#define DEMO_PORT 26969
#define DEMO_HTTP_PORT 8080
#define DEMO_API_PORT 26970 /* of the caller's own network; the next ones where it is taken: */
#define DEMO_API_PORTS 30
#define DEMO_ECHO_PORT 7 /* RFC 862 */
#define DEMO_FILE_BYTES (UINT64_C(64) << 20)
#define DEMO_FILE_MAX (INT64_C(1) << 30) /* of one given: it is copied to where TMPDIR is */
#define DEMO_OUTAGE_MAX_MS 1000		 /* longer is a failure */
#define DEMO_FAULTS_MAX 4
#define DEMO_FAULT_SIZE 80

enum demo_scenario {
	DEMO_TRANSFER = 1,
	DEMO_CUT = 2,
	DEMO_KILL = 4,
	DEMO_DROPPER = 8,
	DEMO_ALL = 15,
};

struct demo_options {
	unsigned n_nodes;
	bool is_once;
	bool is_json;
	bool is_kept; /* the directories stay */
	unsigned scenario;
	char file[DEMO_PATH_SIZE]; /* to be transferred; "": one that is made */
};

struct demo_node {
	char name[16];
	int netns; /* descriptor of its network namespace */
	char dir[DEMO_PATH_SIZE];
	char config[DEMO_PATH_SIZE + 16];
	char socket[DEMO_PATH_SIZE + 16];
	char log[DEMO_PATH_SIZE + 16];
	char spiffe_id[160];
	char address[48]; /* in the overlay */
	pid_t group;	  /* process group of its daemon; 0: does not run */
};

struct demo_end {
	unsigned node;
	char dev[24]; /* the kernel takes 15 */
	char ip[48];
	char mac[18];
};

struct demo_link {
	struct demo_end end[2];
	bool is_up;  /* both ends say so */
	bool is_cut; /* by us */
};

struct demo_session {
	unsigned from, to;
	char key_exchange[32], signature[32], cipher[32];
	bool is_neighbour;
};

struct demo_outage {
	char fault[DEMO_FAULT_SIZE]; /* "link n1-n2 cut" */
	double ms;
	bool is_ok;
};

/* A relay that drops what it should pass on, and what became of it. */
struct demo_dropper {
	bool is_found;	  /* all below is there */
	bool is_left_out; /* it could not be brought about, for this reason: */
	char why[DEMO_TEXT_SIZE];
	char node[16];
	double around_s, named_s, healed_s; /* since the fault */
	char incident[20], cause[DEMO_FAULT_SIZE], remedy[24];
	double explained, confidence;
	bool is_confirmed;
	uint64_t intent_index, result_index; /* in the ledger of the first node */
	uint64_t tree_size;
	bool is_proved; /* signatures and path, by us */
};

struct demo {
	struct demo_options options;
	char exe[DEMO_PATH_SIZE];
	char dir[DEMO_PATH_SIZE];
	FILE *out; /* progress */
	bool is_coloured;
	bool is_utf8;
	uint64_t start_us;
	int api_fd; /* listens in the caller's network, for the daemon of node 1; -1: no port was
		       free */
	unsigned api_port;
	int keys_fd; /* what is typed at the caller's terminal; -1: there is none */
	int home_netns;
	struct demo_node nodes[DEMO_NODES_MAX];
	unsigned n_nodes;
	struct demo_link links[DEMO_LINKS_MAX];
	unsigned n_links;

	/* findings */
	unsigned n_pairs_reachable;
	bool is_hybrid; /* all sessions seen are */
	struct demo_session sessions[DEMO_NODES_MAX * DEMO_NODES_MAX];
	unsigned n_sessions;
	bool has_transfer;
	uint64_t transfer_bytes;
	double transfer_s;
	bool is_sha256_equal;
	struct demo_outage outages[DEMO_FAULTS_MAX];
	unsigned n_outages;
	struct demo_dropper dropper;
	char error_step[DEMO_TEXT_SIZE], error_expected[DEMO_TEXT_SIZE], error_seen[DEMO_TEXT_SIZE];
};

/* ---- demo_contain.c: namespaces around it all, and the cleaning up ---- */

/* Runs work in namespaces of its own, so that nothing touches the caller's, and takes away what
 * is left of it, however it ends. Returns its exit status, or 1 with the reason said. */
int demo_contain(struct demo *d, int (*work)(struct demo *d));
/* Told to end? */
bool demo_is_stopped(void);

/* ---- demo_stay.c ---- */

/* Until Ctrl-C: tells what changes, and cuts a link when somebody presses Enter. */
void demo_stay(struct demo *d);

/* ---- demo_lab.c: the nodes' namespaces, links, programs inside ---- */

int lab_make(struct demo *d);	   /* nodes and links of two rows; 0 or -1, said */
int lab_join_open(struct demo *d); /* a cable from node 1 to each other one */
int lab_join_close(struct demo *d);
/* Silent: the carrier stays, the packets go nowhere. Says nothing; false where it failed. */
bool lab_cut(const struct demo *d, const struct demo_link *l, bool is_cut);
struct demo_link *lab_link(struct demo *d, unsigned a, unsigned b); /* NULL: none */
/* The node passes on nothing any more but what goes to the first one; control, probes of links and
 * its own packets go as ever. ret_why where it failed. */
bool lab_drop(const struct demo *d, const struct demo_node *n, bool is_dropping,
	      char ret_why[DEMO_TEXT_SIZE]);
/* The address of node 1 on the cable to node i. */
void lab_join_address(unsigned i, char ret[48]);

struct lab_output {
	char out[DEMO_OUTPUT_SIZE];
	char err[DEMO_OUTPUT_SIZE];
};

/* Runs a program in a node's namespace (NULL: the demo's own) and waits. Its exit status; -1
 * where it took longer than timeout_ms or died. */
int lab_run(const struct demo *d, const struct demo_node *n, int timeout_ms, struct lab_output *ret,
	    const char *const argv[]);
/* The same with a text on its standard input; NULL: the demo's own. */
int lab_run_input(const struct demo *d, const struct demo_node *n, int timeout_ms,
		  struct lab_output *ret, const char *const argv[], const char *input);
/* A socket of a node's namespace. -1 with errno. */
int lab_socket(const struct demo *d, const struct demo_node *n, int type);

/* ---- demo_nodes.c: the x0 of each node, as its user would run it ---- */

int nodes_configure(struct demo *d);
int nodes_found(struct demo *d); /* init, invite, join */
int nodes_up(struct demo *d, struct demo_node *n);
void nodes_kill(struct demo_node *n); /* SIGKILL for keeper and daemon */
/* The daemon's answer; NULL where there is none. The caller frees it. */
json_t *nodes_ask(const struct demo_node *n, const char *verb, json_t *args);
struct demo_node *nodes_find(struct demo *d, const char *name);
/* Reads the state of all links; true when something changed. */
bool nodes_look(struct demo *d);
int nodes_wait_links(struct demo *d, int timeout_ms);
int nodes_ping_all(struct demo *d, int timeout_ms);
int nodes_sessions(struct demo *d);
/* The neighbour by which the first node sends to the last, NULL where there is no route. */
struct demo_node *nodes_next_hop(struct demo *d, const struct demo_node *to);
int nodes_wait_path(struct demo *d, const struct demo_node *to, const struct demo_node *not_by,
		    int timeout_ms);
const struct demo_node *nodes_far(const struct demo *d); /* the last one, in the far corner */

/* ---- demo_traffic.c: what is sent through the mesh, and what is seen of it ---- */

int traffic_transfer(struct demo *d);
/* Probes from the first node to the last; after a while fault() strikes. The longest time
 * without an answer in ret_ms. -1, said, where the answers do not come back. */
int traffic_outage(struct demo *d, bool (*fault)(void *arg), void *arg, double *ret_ms);
/* Some packets from the first node to the last until it is killed: its process, or -1, said. */
pid_t traffic_keep(struct demo *d, const struct demo_node *to);
/* What answers at the last node: UDP echo and HTTP. Its process, or -1, said. */
pid_t traffic_server(struct demo *d, const char *file);

/* ---- demo_dropper.c: a relay that drops what it should pass on is found ---- */

int dropper_run(struct demo *d);

/* ---- demo_http.c ---- */

/* Answers one connection: GET and HEAD of "/file", which is the file given. */
void http_serve(int fd, const char *file);

/* ---- demo_report.c: what is said ---- */

void report_say(const struct demo *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void report_picture(const struct demo *d);
/* Says which step failed, what was expected and what was seen, and the end of the node's log
 * (NULL: of none). Returns -1. */
int demo_failed(struct demo *d, const struct demo_node *n, const char *step, const char *expected,
		const char *seen, ...) __attribute__((format(printf, 5, 6)));
void report_json(const struct demo *d, bool is_ok);
/* A size in words. */
#define DEMO_SIZE_SIZE 24
void report_size(uint64_t bytes, char ret[DEMO_SIZE_SIZE]);
void report_summary(const struct demo *d, bool is_ok);
uint64_t report_now_us(void);
void report_nap_ms(unsigned ms);
