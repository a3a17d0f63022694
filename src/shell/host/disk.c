/* SPDX-License-Identifier: Apache-2.0 */
/* The file system of the state directory: one that hangs (a network's, a broken disk) must not hold
 * up the loop, so it is asked on the work queue. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/host/internal.h"

struct disk {
	struct loop *loop;
	int fd;
	bool is_asking;
	bool is_ended;	   /* freed once the work is done */
	uint64_t asked_us; /* the question that is out, or the last one */
	int begin_error;   /* the work queue had no place */
	/* the work's while is_asking */
	int answer_error;
	struct statvfs answer;
	/* what is known */
	struct disk_view view;
};

static void release(struct disk *d)
{
	(void)close(d->fd);
	free(d);
}

static void ask(void *arg)
{
	struct disk *d = arg;

	d->answer_error = fstatvfs(d->fd, &d->answer) == 0 ? 0 : -errno;
}

static void answered(void *arg)
{
	struct disk *d = arg;

	d->is_asking = false;
	if (d->is_ended) {
		release(d);
		return;
	}
	d->view = (struct disk_view){
		.error = d->answer_error,
		.taken_us = d->asked_us,
		.about = d->answer,
	};
}

int disk_new(struct loop *l, const char *path, struct disk **ret)
{
	CLEANUP_FREE struct disk *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->loop = l;
	d->view.error = -EAGAIN;
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return -errno;
	*ret = TAKE(d);
	return 0;
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	if (d->is_asking)
		d->is_ended = true;
	else
		release(d);
}

void disk_ask(struct disk *d, uint64_t now_us)
{
	if (d->is_asking)
		return;
	d->asked_us = now_us;
	d->begin_error = loop_work(d->loop, ask, answered, d);
	d->is_asking = d->begin_error == 0;
}

void disk_look(const struct disk *d, uint64_t now_us, struct disk_view *ret)
{
	*ret = d->view;
	if (d->is_asking && now_us > d->asked_us + MS(HOST_DISK_PATIENCE_MS))
		ret->error = -ETIMEDOUT;
	else if (d->begin_error < 0)
		ret->error = d->begin_error;
}
