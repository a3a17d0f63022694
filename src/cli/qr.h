/* SPDX-License-Identifier: Apache-2.0 */
/* qr.h - a text as a QR code made of Unicode half blocks, two rows of modules a line. The only
 * file that names libqrencode. */
#pragma once

#include <stdbool.h>

/* Modules a side, quiet zone included, which are the columns it takes; -EMSGSIZE for a text that
 * is too long for a code, -ENOMEM. */
int qr_width(const char *text);

/* Prints to memory, owned by the caller. Light modules are drawn and dark ones left out, so that
 * it reads on a dark terminal; with is_coloured it is white on black on any. -EMSGSIZE,
 * -ENOMEM. */
int qr_render(const char *text, bool is_coloured, char **ret);
