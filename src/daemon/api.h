/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - the API: HTTP and WebSocket in a thread of their own, which asks the main loop by a
 * bounded queue. The main loop never waits for it.
 *
 * All of this is called by the main loop's thread. Inside the daemon only. */
#pragma once

#include "api/journal.h"
#include "daemon/daemon_internal.h"

#define API_CALLS_MAX 32   /* asked of the main loop and not yet answered */
#define API_CALLS_A_TURN 4 /* answered before other things of the loop come first again */

struct api;

/* Begins. Where it cannot, or is switched off, the feature "api" says why. */
void api_start(struct daemon *d);
/* The thread has ended when this returns. Before the loop and the node are freed. */
void api_end(struct daemon *d);
void api_tick(struct daemon *d);     /* once a second: tells it of a new certificate and so on */
void api_reloaded(struct daemon *d); /* the policy may be another */
void api_event(struct daemon *d, const struct node_event *e, const char *name);
/* The same of what is no event of the node. */
void api_tell(struct daemon *d, enum journal_topic topic, const char *name, const char *peer,
	      const char *why);
json_t *api_status(const struct daemon *d);

/* Whether a request is one of the API's and not the control socket's. */
bool api_is_request(uint64_t request);
/* The trace that a request of the API is part of; NULL for others. */
struct trace_context;
const struct trace_context *api_context(const struct daemon *d, uint64_t request);
/* Each takes value. What happens while a request is in work is kept and given with the result. */
int api_reply_event(struct daemon *d, uint64_t request, json_t *value);
int api_reply_result(struct daemon *d, uint64_t request, json_t *value);
int api_reply_error(struct daemon *d, uint64_t request, const char *code, const char *message);
