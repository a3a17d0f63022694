/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include "shell/fetch/fetch.h"
#include "shell/fetch/library.h"

/* One request, from fetch_begin() to its handler. */
struct job {
	struct job *next;
	fetch_handler *handler;
	void *arg;
	enum fetch_kind kind;
	char *url, *content_type, *bearer, *mail_from, *mail_to, *user, *password, *ca_file;
	uint8_t *body;
	size_t body_len, body_sent, answer_len;
	bool needs_tls;
	uint64_t connect_ms, total_ms, began_us;
	CURL *easy;
	struct curl_slist *headers, *to;
	struct fetch_outcome outcome;
};

/* -ENOMEM; job_free() after either. */
int job_prepare(const struct curl_library *c, struct job *j);
void job_read_outcome(const struct curl_library *c, struct job *j, CURLcode result);
/* Wipes what may be secret. The library's own copies it frees as they are. */
void job_free(const struct curl_library *c, struct job *j);
