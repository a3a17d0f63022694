/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /etc/resolv.conf. */
#include <assert.h>

#include "shell/names/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_conf c;

	resolv_conf_parse(SPAN(data, size), &c);
	assert(c.n <= RESOLV_CONF_SERVERS_MAX && strlen(c.owner) < sizeof(c.owner));
	assert(c.is_ours == (c.owner[0] != '\0'));
	return 0;
}
