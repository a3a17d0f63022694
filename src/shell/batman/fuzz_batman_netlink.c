/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as attributes of an answer of the family "batadv". */
#include <stdlib.h>
#include <string.h>

#include "shell/batman/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct batman_interface interface;
	struct batman_mesh mesh;
	struct batman_row row;
	struct nlmsghdr *h;
	uint16_t family;

	if (len > UINT16_MAX)
		return 0;
	h = calloc(1,
		   NLMSG_HDRLEN + NLMSG_ALIGN(len)); /* padded, as the kernel does, and no more */
	if (!h)
		return 0;
	h->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
	if (len > 0)
		memcpy((uint8_t *)h + NLMSG_HDRLEN, data, len);
	(void)batman_read_family(h, &family);
	(void)batman_read_mesh(h, &mesh);
	(void)batman_read_interface(h, &interface);
	for (int table = 0; table < BATMAN_N_TABLES; table++)
		(void)batman_read_row(h, (enum batman_table)table, &row);
	free(h);
	return 0;
}
