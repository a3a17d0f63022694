/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - making a frame. Inside the room only. */
#pragma once

#include "shell/control/control.h"

#define FRAME_HEAD 4

/* The frame of an object, to free(). -EMSGSIZE, -ENOMEM. */
int frame_make(const json_t *object, uint8_t **ret, size_t *ret_len);

/* "path" as a socket address. -ENAMETOOLONG. */
struct sockaddr_un;
int socket_address(const char *path, struct sockaddr_un *ret);
