/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of the path MTU on their way to the kernel, and what it says of them. */
#include <errno.h>

#include "daemon/daemon_internal.h"

/* A datagram that is refused tells as much as a lost one, and at once. What the kernel believes is
 * asked for when it had reason to learn: an answer by ICMP to the probe before this one. */
void path_probe_send(struct daemon *d, struct udp *u, const struct node_action *a)
{
	struct endpoint to = a->endpoint;
	unsigned len = (unsigned)a->data.len;
	unsigned datagram_max;
	int r = udp_send_whole(u, &to, a->data);

	if (r == -EMSGSIZE)
		node_path_refused(d->node, &to, len, loop_now_us());
	if (udp_path_hint(&to, &datagram_max) == 0)
		node_path_hint(d->node, &to, datagram_max, loop_now_us());
}
