/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper set on this host, as it tells of it: whether the guard is on, and what another
 * program removed of tables and rules. */
#include <errno.h>

#include "daemon/daemon_internal.h"

/* Without nft_fib_inet it takes the tunnel's address, which there was none of when it began. */
void held_check_guard(struct daemon *d)
{
	char why[KEEPER_WHY_SIZE];
	int r = keeper_guard_end(d->keeper, why);

	if (r == -EAGAIN)
		return;
	if (r == -EPIPE) {
		daemon_stop(d, KEEPER_EXIT_DONE); /* the keeper is gone */
		return;
	}
	if (r == -EPROTONOSUPPORT)
		r = keeper_guard_apply(d->keeper, why);
	daemon_feature(d, "guard", r == 0, why);
}

void held_hear(struct daemon *d)
{
	struct keeper_news news;

	held_check_guard(d);
	answers_guard(d);
	while (keeper_news(d->keeper, &news)) {
		if (news.what == KEEPER_HELD_GUARD)
			daemon_feature(d, "guard", !news.is_lost, news.why);
		else
			networks_news(d, &news);
	}
}
