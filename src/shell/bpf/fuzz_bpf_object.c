/* SPDX-License-Identifier: Apache-2.0 */
/* Object files from anywhere: our validation, which comes before libbpf sees them. */
#include <stdlib.h>
#include <string.h>

#include "shell/bpf/bpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[EBPF_WHY_SIZE] = "";

	if (ebpf_validate(data, size, why) < 0 && why[0] == '\0')
		abort(); /* a refusal says why */
	return 0;
}
