/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include "shell/lan/lan.h"

/* The interfaces that will do, by index; *ret_n of them at most max, and *ret_left_out more. */
int interfaces_list(const struct lan_options *options, struct lan_interface *ret, size_t max,
		    size_t *ret_n, size_t *ret_left_out);
/* A socket that becomes readable when interfaces or addresses change. */
int interfaces_watch(void);
