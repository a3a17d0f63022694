/* SPDX-License-Identifier: Apache-2.0 */
/* loop_internal.h - what the files of this room share. Inside the room only. */
#pragma once

#include <uv.h>

#include "shell/loop/loop.h"

struct loop {
	uv_loop_t uv;
	unsigned n_work; /* begun or queued */
};
