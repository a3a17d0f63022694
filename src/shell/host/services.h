/* SPDX-License-Identifier: Apache-2.0 */
/* services.h - whether the services that the user names answer: TCP alone, or HTTP. Asked every
 * HOST_SERVICE_INTERVAL_MS, each for itself, from a thread of its own (shell/fetch). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shell/loop/loop.h"

#define HOST_SERVICES_MAX 16
#define HOST_SERVICE_INTERVAL_MS 5000
#define HOST_SERVICE_ANSWER_MS 3000 /* later is no answer */
#define HOST_SERVICE_URL_SIZE 256
#define HOST_SERVICES_WHY_SIZE 240

enum host_service_state {
	HOST_SERVICE_UNKNOWN, /* not asked yet */
	HOST_SERVICE_UP,      /* TCP: connected; HTTP: a status from 200 to 399 */
	HOST_SERVICE_DOWN,
};

struct host_service {
	const char *url; /* as it was given; the source of what is said here */
	enum host_service_state state;
	unsigned status;   /* of HTTP; 0: none */
	uint64_t took_us;  /* to connect, or to answer */
	uint64_t taken_us; /* when it was asked; 0: never */
	const char *why;   /* static text where it is down; "" otherwise */
};

struct host_services;

/* urls: "tcp://HOST:PORT", "http://...", "https://...", with commas between; copied. What
 * is seen of them holds no user and password: such ones are refused. -EINVAL with a
 * sentence, -ENOBUFS for more than HOST_SERVICES_MAX, -ENOENT without libcurl, -ENOMEM. */
int host_services_new(struct loop *l, const char *urls, struct host_services **ret,
		      char why[HOST_SERVICES_WHY_SIZE]);
void host_services_free(struct host_services *s);
/* Begins what is due; once a second is often enough. */
void host_services_tick(struct host_services *s, uint64_t now_us);
size_t host_services_count(const struct host_services *s);
void host_services_get(const struct host_services *s, size_t i, struct host_service *ret);
