/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds the reader of topologies; what it accepts is within its own bounds. */
#include <stdlib.h>
#include <string.h>

#include "sim/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_sound(const struct topology *t)
{
	if (t->n_nodes < 2 || t->n_nodes > TOPOLOGY_NODES_MAX || t->n_links > TOPOLOGY_LINKS_MAX ||
	    strlen(t->name) >= sizeof(t->name))
		return false;
	for (size_t i = 0; i < t->n_links; i++) {
		const struct topology_link *l = &t->links[i];

		if (l->a >= t->n_nodes || l->b >= t->n_nodes || l->a == l->b || l->delay_us == 0 ||
		    l->delay_us > TOPOLOGY_DELAY_MAX_US || l->loss_ppm[0] > 1000000 ||
		    l->loss_ppm[1] > 1000000)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[TOPOLOGY_ERROR_SIZE];
	struct topology *t = NULL;
	int r = topology_parse((const char *)data, size, &t, error);

	if (r == 0 ? !is_sound(t) : strlen(error) >= sizeof(error))
		abort();
	topology_free(t);
	return 0;
}
