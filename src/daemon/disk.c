/* SPDX-License-Identifier: Apache-2.0 */
/* What is written to the disk beside the loop, which does not wait for it: the boot epoch at the
 * start, and each minute the clock floor and a log file that has become long. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/daemon_internal.h"
#include "shell/log/file.h"

struct writing {
	struct daemon *daemon;
	struct store *store; /* ends after the work queue */
	uint64_t epoch;
	int64_t now_s;
	struct store_error error;
	int result;
	char log_path[CONFIG_TEXT_SIZE + sizeof("/" LOG_FILE_NAME)];
	bool is_log_cut;
};

static int begin(struct daemon *d, void (*work)(void *arg), void (*done)(void *arg),
		 const struct writing *what)
{
	CLEANUP_FREE struct writing *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	*w = *what;
	w->daemon = d;
	w->store = d->store;
	r = loop_work(d->loop, work, done, w);
	if (r == 0)
		(void)TAKE(w);
	return r;
}

/* ---- the boot epoch ---- */

static void save_epoch(void *arg)
{
	struct writing *w = arg;

	w->result = store_save_boot_epoch(w->store, w->epoch, &w->error);
}

static void epoch_saved(void *arg)
{
	CLEANUP_FREE struct writing *w = arg;
	struct daemon *d = w->daemon;

	if (d->is_stopping)
		return;
	if (w->result < 0) {
		daemon_stop(d, daemon_fatal(d, "cannot_open_state", w->error.text));
		return;
	}
	d->owes_epoch = false;
	daemon_drain(d);
}

/* It is in M2 and M3 and in what follows them, and the jobs that write those wait for it
 * (jobs.c): whatever somebody else has seen of it is on the disk. */
int disk_begin_epoch(struct daemon *d, uint64_t epoch)
{
	struct writing w = { .epoch = epoch };

	d->owes_epoch = true;
	return begin(d, save_epoch, epoch_saved, &w);
}

/* ---- the clock floor, and the log ---- */

static void save_clock(void *arg)
{
	struct writing *w = arg;

	(void)store_save_clock(w->store, w->now_s, &w->error); /* again in a minute */
	w->result = log_file_turn(STDERR_FILENO, w->log_path, &w->is_log_cut);
}

static void clock_saved(void *arg)
{
	CLEANUP_FREE struct writing *w = arg;
	struct daemon *d = w->daemon;

	d->is_saving_clock = false;
	if (w->result > 0)
		log_info(d->log, "log_turned", log_str("kept", LOG_FILE_NAME LOG_FILE_OLD_SUFFIX));
	else if (w->result < 0 && (w->is_log_cut || !d->is_log_stuck))
		log_warning(d->log, w->is_log_cut ? "log_cut" : "log_not_turned",
			    log_errno("why", w->result));
	d->is_log_stuck = w->result < 0;
}

void disk_save_clock(struct daemon *d, int64_t now_s)
{
	struct writing w = { .now_s = now_s };

	(void)snprintf(w.log_path, sizeof(w.log_path), "%s/" LOG_FILE_NAME,
		       d->options->config->state_dir);
	if (!d->is_saving_clock)
		d->is_saving_clock = begin(d, save_clock, clock_saved, &w) == 0;
}
