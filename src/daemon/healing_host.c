/* SPDX-License-Identifier: Apache-2.0 */
/* What the healing loop reads of this host, and of the services that the configuration names. */
#include <math.h>
#include <stdio.h>

#include "base/units.h"
#include "daemon/healing.h"
#include "shell/host/host.h"
#include "shell/host/services.h"

#define HOST_EVERY_US SECONDS(1)

/* ---- this host ---- */

/* Of the whole; NAN where one of the two is not known. */
static double share_used(const struct host_value *free_part, const struct host_value *whole)
{
	return whole->value > 0 ? 1 - free_part->value / whole->value : NAN;
}

static void say_host(struct healing_loop *l, enum healing_kind kind, const struct host_value *of,
		     double share, uint64_t now_us)
{
	manager_say(l->manager,
		    (struct healing_reading){
			    .kind = kind,
			    .value = share,
			    .at_us = of->taken_us,
			    .n_samples = 1,
			    .source = of->source,
		    },
		    now_us);
}

/* NaN where it is not known, or no longer. */
static double known(const struct healing_loop *l, enum host_signal which, uint64_t now_us)
{
	const struct host_value *v = host_value(l->host, which);

	return host_is_known(v, now_us, MANAGER_HOST_AGE_MAX_US) ? v->value : (double)NAN;
}

static double known_used(const struct healing_loop *l, enum host_signal free_part,
			 enum host_signal whole, uint64_t now_us)
{
	double of = known(l, whole, now_us);

	return of > 0 ? 1 - known(l, free_part, now_us) / of : (double)NAN;
}

static void tell_manager(struct healing_loop *l, uint64_t now_us)
{
	struct manager_host of = {
		.at_us = now_us,
		.cpu_source = host_value(l->host, HOST_CPU_MACHINE)->source,
	};
	double *v = of.values;

	v[UNUSUAL_CPU] = known(l, HOST_CPU_MACHINE, now_us);
	v[UNUSUAL_MEMORY] = known_used(l, HOST_MEMORY_FREE, HOST_MEMORY_TOTAL, now_us);
	v[UNUSUAL_DISK] = known_used(l, HOST_DISK_FREE, HOST_DISK_TOTAL, now_us);
	v[UNUSUAL_PRESSURE_CPU] = known(l, HOST_PRESSURE_CPU, now_us);
	v[UNUSUAL_PRESSURE_MEMORY] = known(l, HOST_PRESSURE_MEMORY, now_us);
	v[UNUSUAL_PRESSURE_IO] = known(l, HOST_PRESSURE_IO, now_us);
	v[UNUSUAL_LOOP_LATE] = known(l, HOST_LOOP_LATE, now_us) / US_PER_MS;
	v[UNUSUAL_LINK_RTT] = NAN; /* the manager knows it */
	manager_set_host(l->manager, &of);
}

static void read_this_host(struct healing_loop *l, uint64_t now_us)
{
	const struct host_value *cpu = host_value(l->host, HOST_CPU_MACHINE);
	const struct host_value *memory = host_value(l->host, HOST_MEMORY_FREE);
	const struct host_value *disk = host_value(l->host, HOST_DISK_FREE);
	/* the loop looks more often while something is wrong, and each time is late by itself */
	uint64_t late_us = now_us - l->host_us - HOST_EVERY_US;

	host_sample(l->host, now_us, l->host_us ? late_us : 0);
	tell_manager(l, now_us);
	say_host(l, HEALING_CPU, cpu, cpu->value, now_us);
	say_host(l, HEALING_MEMORY, memory,
		 share_used(memory, host_value(l->host, HOST_MEMORY_TOTAL)), now_us);
	say_host(l, HEALING_DISK, disk, share_used(disk, host_value(l->host, HOST_DISK_TOTAL)),
		 now_us);
}

/* ---- services ---- */

bool healing_service(const struct healing_loop *l, uint64_t subject, struct host_service *ret)
{
	if (!l->services || subject == 0 || subject > host_services_count(l->services))
		return false;
	host_services_get(l->services, subject - 1, ret);
	return true;
}

static void read_services(struct healing_loop *l, uint64_t now_us)
{
	struct host_service s;

	host_services_tick(l->services, now_us);
	for (uint64_t n = 1; healing_service(l, n, &s); n++) {
		if (s.state == HOST_SERVICE_UNKNOWN)
			continue;
		manager_say(l->manager,
			    (struct healing_reading){
				    .kind = HEALING_SERVICE,
				    .subject = n,
				    .value = s.state == HOST_SERVICE_DOWN,
				    .at_us = s.taken_us,
				    .n_samples = 1,
				    .source = s.url,
			    },
			    now_us);
	}
}

/* As long as the evidence is kept. */
static void read_ledgers(struct healing_loop *l, uint64_t now_us)
{
	for (size_t i = 0; i < witness_n_accused(l->daemon); i++)
		manager_say(l->manager,
			    (struct healing_reading){
				    .kind = HEALING_LEDGER_SPLIT,
				    .subject = witness_accused(l->daemon, i)->id,
				    .value = 1,
				    .at_us = now_us,
				    .n_samples = 1,
				    .source = "checkpoints that its ledger has signed (witness)",
			    },
			    now_us);
}

void healing_read_host(struct healing_loop *l, uint64_t now_us)
{
	if (now_us < l->host_us + HOST_EVERY_US)
		return;
	if (l->host)
		read_this_host(l, now_us);
	if (l->services)
		read_services(l, now_us);
	read_ledgers(l, now_us);
	l->host_us = now_us;
}

/* ---- beginning ---- */

static void begin_services(struct healing_loop *l)
{
	char why[HOST_SERVICES_WHY_SIZE] = "";
	struct daemon *d = l->daemon;
	int r;

	if (!d->options->config->services[0])
		return;
	r = host_services_new(d->loop, d->options->config->services, &l->services, why);
	daemon_feature(d, "services", r == 0, r == 0 ? "" : why);
}

void healing_host_begin(struct healing_loop *l)
{
	const struct host_options options = {
		.loop = l->daemon->loop,
		.state_dir = l->daemon->options->config->state_dir,
	};

	if (host_new(&options, &l->host) < 0)
		log_warning(l->daemon->log, "host_not_watched", log_str("why", "out of memory"));
	begin_services(l);
}

void healing_services_stop(struct daemon *d)
{
	if (!d->healing)
		return;
	host_services_free(d->healing->services);
	d->healing->services = NULL;
}

/* After the loop, which may have been asking for the disk. */
void healing_host_end(struct healing_loop *l)
{
	host_free(l->host);
	l->host = NULL;
}
