/* SPDX-License-Identifier: Apache-2.0 */
/* control.h - the local control socket: requests in JSON from the command line to the daemon.
 *
 * A frame is a length (4 bytes, big-endian, at most CONTROL_FRAME_MAX) and one JSON object.
 *
 *	request   {"verb": "ping", "args": {...}}
 *	response  {"event": {...}}, any number of them, then
 *	          {"result": any} or {"error": {"code": "denied", "message": "..."}}
 *
 * A connection has one request at a time and may then send the next. Root, the owner given at
 * the start and members of the group may ask; others get the error "denied". When all places
 * are taken, a client that does not read its answers gives way to a new one, else one that asks
 * nothing. JSON values are jansson's: this room names that library, and its users build their
 * answers with it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTROL_FRAME_MAX (1 << 20)
#define CONTROL_CLIENTS_MAX 64
#define CONTROL_QUEUE_BUSY (1 << 18) /* unread bytes from which events are refused: -EAGAIN */
#define CONTROL_GROUP "x0"	     /* whose members may operate without root */
#define CONTROL_WHY_SIZE 300
#define CONTROL_VERB_MAX 64
#define CONTROL_GROUPS_MAX 256

/* ---- server ---- */

/* Binds and listens: mode 0660, group x0 where it exists and may be given. Call before
 * privileges are dropped. A socket left by a daemon that is gone is replaced; one that is
 * listened on gives -EADDRINUSE. Returns the descriptor or a negative errno with a sentence. */
int control_listen(const char *path, char why[CONTROL_WHY_SIZE]);
/* Removes the socket that a listener has left which is gone. 0 where there is none; -EADDRINUSE:
 * another daemon listens there by now, and its socket stays; -EAGAIN: one is just starting. */
int control_unlisten(const char *path);

struct control_server;

struct control_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* A request: answer it now or later by its number, with control_result() or control_error().
 * args is an object, empty where the client sent none; borrowed for the call. */
typedef void control_request_handler(void *arg, uint64_t request, const char *verb,
				     const json_t *args, const struct control_caller *caller);
/* Its client went away before the answer; the number means nothing any more. Not called where
 * one of the three answering functions returned -ENOENT. */
typedef void control_gone_handler(void *arg, uint64_t request);

struct control_options {
	uid_t owner;	/* may operate, beside root */
	bool has_group; /* so may the members of group */
	gid_t group;
	control_request_handler *on_request;
	control_gone_handler *on_gone; /* may be NULL */
	void *arg;
};

/* The options for a daemon of this user: group from CONTROL_GROUP. Reads the user database:
 * call before seccomp. */
void control_options_fill(uid_t owner, struct control_options *ret);

/* Takes listen_fd. -ENOMEM, -EMFILE. */
int control_server_new(int listen_fd, const struct control_options *options,
		       struct control_server **ret);
void control_server_free(struct control_server *s); /* does not remove the socket file */

/* One descriptor to watch for reading; call control_server_process() when it is readable. */
int control_server_fd(const struct control_server *s);
void control_server_process(struct control_server *s);
size_t control_server_clients(const struct control_server *s);

/* Each takes (steals) value, as json_pack() made it; NULL counts as null. -ENOENT: the client
 * is gone. -EAGAIN, events only: it reads slowly, this one was not sent. -EMSGSIZE: longer than
 * a frame (the client then gets the error "too_long"). */
int control_event(struct control_server *s, uint64_t request, json_t *value);
int control_result(struct control_server *s, uint64_t request, json_t *value);
int control_error(struct control_server *s, uint64_t request, const char *code,
		  const char *message);

/* ---- client ---- */

struct control_client;

/* Connects. -ENOENT, -ECONNREFUSED: the daemon is not running; -EACCES, -EPERM: not allowed;
 * why is a sentence that names the next command. */
int control_client_open(const char *path, struct control_client **ret, char why[CONTROL_WHY_SIZE]);
void control_client_free(struct control_client *c);

/* Sends a request; takes (steals) args, NULL for none. */
int control_client_request(struct control_client *c, const char *verb, json_t *args);

enum control_kind {
	CONTROL_EVENT,
	CONTROL_RESULT,
	CONTROL_ERROR,
};

struct control_response {
	enum control_kind kind;
	json_t *value; /* of event or result; NULL for an error */
	char code[CONTROL_VERB_MAX];
	char message[512];
};

/* The next response. -ETIMEDOUT after timeout_ms (-1: never); -ECONNRESET when the daemon went
 * away; -EBADMSG, -EPROTO when it does not speak this protocol. */
int control_client_next(struct control_client *c, int timeout_ms, struct control_response *ret);
void control_response_done(struct control_response *r);
int control_client_fd(const struct control_client *c); /* to poll beside others */

/* ---- frames, for both sides ---- */

/* Finds one frame at the start of bytes. 1 with the JSON text in ret_text and what it took in
 * ret_used; 0 when more bytes are needed; -EMSGSIZE when longer than CONTROL_FRAME_MAX;
 * -EBADMSG for length 0. */
int control_frame_split(const uint8_t *bytes, size_t len, const char **ret_text,
			size_t *ret_text_len, size_t *ret_used);
/* Parses a request. -EBADMSG: no JSON object; -EPROTO: no verb, or members of a wrong type.
 * ret_root owns the two. */
int control_request_parse(const char *text, size_t len, json_t **ret_root, const char **ret_verb,
			  const json_t **ret_args);
int control_response_parse(const char *text, size_t len, struct control_response *ret);
