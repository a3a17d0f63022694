/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - look-ups in the table of keys. Inside the room only. */
#pragma once

#include "shell/config/config.h"

struct config_renamed {
	const char *before;
	const char *now;
};

const char *table_renamed(const char *path); /* its name now; NULL */
bool table_is_section(const char *path);     /* "tun" */
const char *table_nearest(const char *path); /* a known key one may have meant; NULL */
