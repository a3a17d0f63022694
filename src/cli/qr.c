/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes on a terminal. */
#include "cli/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* ISO/IEC 18004 asks for four modules; two fit a code of version 14 into 80 columns, and readers
 * find a code with two on a terminal's plain background. */
#define QUIET 2

#define FULL "\u2588"
#define UPPER "\u2580"
#define LOWER "\u2584"

DEFINE_FREEP(QRcode, QRcode_free)

static int encode(const char *text, QRcode **ret)
{
	*ret = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	if (!*ret)
		return errno == ENOMEM ? -ENOMEM : -EMSGSIZE;
	return 0;
}

int qr_width(const char *text)
{
	CLEANUP(QRcode_freep) QRcode *code = NULL;
	int r = encode(text, &code);

	return r < 0 ? r : code->width + 2 * QUIET;
}

/* Outside the code everything is light. */
static bool is_light(const QRcode *code, int x, int y)
{
	x -= QUIET;
	y -= QUIET;
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return true;
	return !(code->data[y * code->width + x] & 1);
}

static void render_line(const QRcode *code, int y, FILE *to)
{
	int side = code->width + 2 * QUIET;

	for (int x = 0; x < side; x++) {
		bool upper = is_light(code, x, y);
		bool lower = y + 1 < side && is_light(code, x, y + 1);

		(void)fputs(upper && lower ? FULL : upper ? UPPER : lower ? LOWER : " ", to);
	}
}

int qr_render(const char *text, bool is_coloured, char **ret)
{
	CLEANUP(QRcode_freep) QRcode *code = NULL;
	size_t len = 0;
	char *out = NULL;
	FILE *memory;
	int r = encode(text, &code);

	if (r < 0)
		return r;
	memory = open_memstream(&out, &len);
	if (!memory)
		return -ENOMEM;
	for (int y = 0; y < code->width + 2 * QUIET; y += 2) {
		(void)fputs(is_coloured ? "\033[97;40m" : "", memory);
		render_line(code, y, memory);
		(void)fputs(is_coloured ? "\033[0m\n" : "\n", memory);
	}
	if (fclose(memory) != 0) {
		free(out);
		return -ENOMEM;
	}
	*ret = out;
	return 0;
}
