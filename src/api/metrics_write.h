/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_write.h - the words of the exposition, for the files that write it. Inside the room only.
 */
#pragma once

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* Of the programs in the kernel: their array. */
void metrics_put_ebpf(FILE *out, const json_t *ebpf);

static inline void family(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped; what is from outside is a name that
 * was checked when its certificate was. */
static inline void label(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			(void)fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			(void)fprintf(out, "\\%c", *value);
		else
			(void)fputc(*value, out);
	}
}

static inline uint64_t number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static inline const char *text(const json_t *object, const char *key)
{
	const char *t = json_string_value(json_object_get(object, key));

	return t ? t : "";
}

/* Up to the value of the label: "} and a number are for the caller. */
static inline void put_sample(FILE *out, const char *name, const json_t *peer)
{
	(void)fprintf(out, "%s{peer_id=\"", name);
	label(out, text(peer, "node"));
}
