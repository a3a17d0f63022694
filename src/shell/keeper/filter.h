/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h - the system calls that the daemon may make. Inside the room only. */
#pragma once

#include "shell/keeper/keeper.h"

/* For this and all later threads; needs no_new_privs or CAP_SYS_ADMIN. ret_text says how many
 * calls are allowed, or why there is no filter: -ENOSYS (sanitizer build), -EACCES, -EINVAL. */
int filter_install(char ret_text[KEEPER_WHY_SIZE]);
