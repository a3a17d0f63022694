/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - making and ending the child's end. Inside the room only. */
#pragma once

#include "shell/keeper/keeper.h"

int keeper_client_new(int fd, unsigned n_restarts, struct keeper_client **ret); /* takes fd */
void keeper_client_free(struct keeper_client *k);
