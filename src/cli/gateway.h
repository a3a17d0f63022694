/* SPDX-License-Identifier: Apache-2.0 */
/* gateway.h - `x0 batman gateway`. Inside the room only. */
#pragma once

#include "cli/cli.h"

/* Asks the daemon; returns an exit status. */
int gateway_show(struct cli *c);
