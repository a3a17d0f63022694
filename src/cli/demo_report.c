/* SPDX-License-Identifier: Apache-2.0 */
/* What the demo says: lines as things happen, the picture, failures, the summary. */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "cli/demo_internal.h"

#define LOG_TAIL_LINES 12
#define LOG_TAIL_SIZE 4096

uint64_t report_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

void report_nap_ms(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

void report_say(const struct demo *d, const char *format, ...)
{
	va_list args;

	(void)fprintf(d->out, "[%5.1f s] ", (double)(report_now_us() - d->start_us) / 1e6);
	va_start(args, format);
	(void)vfprintf(d->out, format, args);
	va_end(args);
	(void)fputc('\n', d->out);
	(void)fflush(d->out);
}

/* ---- the picture ---- */

enum colour {
	PLAIN,
	RED,
	GREEN,
	DIM,
};

static const char *colour(const struct demo *d, enum colour c)
{
	static const char *const codes[] = { "\033[0m", "\033[31m", "\033[32m", "\033[2m" };

	return d->is_coloured ? codes[c] : "";
}

/* A link between two names beside each other, or half of one between two upon each other. */
static void draw_link(const struct demo *d, const struct demo_link *l, bool is_vertical)
{
	static const char *const signs[2][2][3] = {
		/* up, cut, down */
		{ { "=======", "=== X =", "......." }, { "||", "X", "." } },
		{ { "━━━━━━━", "━━ ✗ ━━", "╌╌╌╌╌╌╌" }, { "┃", "✗", "╎" } },
	};
	unsigned state = l->is_cut ? 1 : l->is_up ? 0 : 2;
	enum colour c = l->is_cut ? RED : l->is_up ? GREEN : DIM;

	(void)fprintf(d->out, "%s%s%s", colour(d, c), signs[d->is_utf8][is_vertical][state],
		      colour(d, PLAIN));
}

static void draw_row(struct demo *d, unsigned first, unsigned columns)
{
	(void)fputs("      ", d->out);
	for (unsigned i = first; i < first + columns; i++) {
		const struct demo_node *n = &d->nodes[i];
		const char *frame = n->group ? "[]" : "()";

		(void)fprintf(d->out, "%s%c%s%c%s", n->group ? "" : colour(d, RED), frame[0],
			      n->name, frame[1], n->group ? "" : colour(d, PLAIN));
		if (i + 1 == first + columns)
			break;
		(void)fputs(strlen(n->name) == 2 ? "  " : " ",
			    d->out); /* n10 and on take one more */
		draw_link(d, lab_link(d, i, i + 1), false);
		(void)fputs("  ", d->out);
	}
	(void)fputc('\n', d->out);
}

void report_picture(const struct demo *shown)
{
	struct demo *d = (struct demo *)shown; /* lab_link() gives what may be changed */
	unsigned columns = d->n_nodes / 2;

	(void)fputc('\n', d->out);
	draw_row(d, 0, columns);
	for (unsigned line = 0; line < 2; line++) {
		(void)fputs("       ", d->out);
		for (unsigned i = 0; i < columns; i++) {
			const struct demo_link *l = lab_link(d, i, i + columns);
			bool is_wide = !d->is_utf8 && !l->is_cut && l->is_up; /* "||" */

			draw_link(d, l, true);
			if (i + 1 < columns)
				(void)fprintf(d->out, "%*s", is_wide ? 13 : 14, "");
		}
		(void)fputc('\n', d->out);
	}
	draw_row(d, columns, columns);
	(void)fputc('\n', d->out);
	(void)fflush(d->out);
}

/* ---- failures ---- */

static void show_log(const struct demo *d, const struct demo_node *n)
{
	char text[LOG_TAIL_SIZE];
	unsigned lines = 0;
	FILE *f = fopen(n->log, "re");
	size_t len;
	char *at;

	if (!f)
		return;
	if (fseek(f, -(long)(sizeof(text) - 1), SEEK_END) != 0)
		rewind(f); /* it is shorter */
	len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	for (at = text + len; at > text; at--)
		if (at[-1] == '\n' && ++lines == LOG_TAIL_LINES)
			break;
	(void)fprintf(d->out, "  the end of the log of %s (%s):\n%s\n", n->name, n->log, at);
}

int demo_failed(struct demo *d, const struct demo_node *n, const char *step, const char *expected,
		const char *seen, ...)
{
	va_list args;

	if (demo_is_stopped() || d->error_step[0])
		return -1; /* the first failure is the one that counts */
	(void)snprintf(d->error_step, sizeof(d->error_step), "%s", step);
	(void)snprintf(d->error_expected, sizeof(d->error_expected), "%s", expected);
	va_start(args, seen);
	(void)vsnprintf(d->error_seen, sizeof(d->error_seen), seen, args);
	va_end(args);
	for (size_t len = strlen(d->error_seen); len > 0 && d->error_seen[len - 1] == '\n'; len--)
		d->error_seen[len - 1] = '\0';
	(void)fprintf(d->out, "\n%sFAILED%s: %s\n  expected: %s\n  seen:     %s\n", colour(d, RED),
		      colour(d, PLAIN), step, expected, d->error_seen);
	if (n)
		show_log(d, n);
	(void)fflush(d->out);
	return -1;
}

/* ---- the end ---- */

void report_size(uint64_t bytes, char ret[DEMO_SIZE_SIZE])
{
	if (bytes >> 20)
		(void)snprintf(ret, DEMO_SIZE_SIZE, "%u MiB", (unsigned)(bytes >> 20));
	else if (bytes >> 10)
		(void)snprintf(ret, DEMO_SIZE_SIZE, "%u KiB", (unsigned)(bytes >> 10));
	else
		(void)snprintf(ret, DEMO_SIZE_SIZE, "%u bytes", (unsigned)bytes);
}

static unsigned long long whole(double v)
{
	return (unsigned long long)(v + 0.5);
}

void report_summary(const struct demo *d, bool is_ok)
{
	unsigned n_pairs = d->n_nodes * (d->n_nodes - 1);
	char size[DEMO_SIZE_SIZE];

	report_size(d->transfer_bytes, size);
	(void)fprintf(d->out, "\n  nodes      %u\n  pairs      %u of %u reachable\n", d->n_nodes,
		      d->n_pairs_reachable, n_pairs);
	(void)fprintf(d->out, "  sessions   %u ends, %s\n", d->n_sessions,
		      d->is_hybrid ? "all X25519MLKEM768 with ML-DSA-65" : "not all hybrid");
	if (d->has_transfer)
		(void)fprintf(d->out, "  transfer   %s, SHA-256 %s, %llu Mbit/s\n", size,
			      d->is_sha256_equal ? "equal" : "NOT EQUAL",
			      whole((double)d->transfer_bytes * 8 / d->transfer_s / 1e6));
	for (unsigned i = 0; i < d->n_outages; i++)
		(void)fprintf(d->out, "  outage     %.0f ms, %s%s\n", d->outages[i].ms,
			      d->outages[i].fault, d->outages[i].is_ok ? "" : ": TOO LONG");
	if (d->dropper.is_found)
		(void)fprintf(d->out,
			      "  dropper    %s named after %.1f s, avoided after %.1f s, proved by "
			      "entries %llu and %llu of the ledger\n",
			      d->dropper.node, d->dropper.named_s, d->dropper.healed_s,
			      (unsigned long long)d->dropper.intent_index,
			      (unsigned long long)d->dropper.result_index);
	if (d->dropper.is_left_out)
		(void)fprintf(d->out, "  dropper    LEFT OUT: %s\n", d->dropper.why);
	(void)fprintf(d->out, "\n%s%s%s\n", colour(d, is_ok ? GREEN : RED),
		      is_ok ? "All of it worked." : "Not all of it worked.", colour(d, PLAIN));
	(void)fflush(d->out);
}

static json_t *session_json(const struct demo *d, const struct demo_session *s)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "from", d->nodes[s->from].name, "to",
			 d->nodes[s->to].name, "is_neighbour", s->is_neighbour, "key_exchange",
			 s->key_exchange, "signature", s->signature, "cipher", s->cipher);
}

static json_t *transfer_json(const struct demo *d)
{
	if (!d->has_transfer)
		return json_null();
	return json_pack("{s:I, s:b, s:f, s:f}", "bytes", (json_int_t)d->transfer_bytes,
			 "sha256_ok", d->is_sha256_equal, "seconds", d->transfer_s, "mbit_s",
			 (double)d->transfer_bytes * 8 / d->transfer_s / 1e6);
}

static json_t *dropper_json(const struct demo_dropper *p)
{
	if (p->is_left_out)
		return json_pack("{s:b, s:s}", "is_found", 0, "left_out", p->why);
	if (!p->is_found)
		return json_null();
	return json_pack("{s:b, s:s, s:f, s:f, s:f, s:s, s:s, s:f, s:f, s:s, s:b, s:o}", "is_found",
			 1, "node", p->node, "around_s", p->around_s, "named_s", p->named_s,
			 "healed_s", p->healed_s, "incident", p->incident, "cause", p->cause,
			 "explained", p->explained, "confidence", p->confidence, "remedy",
			 p->remedy, "is_confirmed", p->is_confirmed, "ledger",
			 json_pack("{s:I, s:I, s:I, s:b}", "intent", (json_int_t)p->intent_index,
				   "result", (json_int_t)p->result_index, "tree_size",
				   (json_int_t)p->tree_size, "is_proved", p->is_proved));
}

void report_json(const struct demo *d, bool is_ok)
{
	json_t *identities = json_array();
	json_t *sessions = json_array();
	json_t *outages = json_array();
	json_t *error = json_null();
	json_t *all;

	for (unsigned i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].spiffe_id[0])
			(void)json_array_append_new(identities, json_string(d->nodes[i].spiffe_id));
	for (unsigned i = 0; i < d->n_sessions; i++)
		(void)json_array_append_new(sessions, session_json(d, &d->sessions[i]));
	for (unsigned i = 0; i < d->n_outages; i++)
		(void)json_array_append_new(outages,
					    json_pack("{s:s, s:f}", "fault", d->outages[i].fault,
						      "ms", d->outages[i].ms));
	if (d->error_step[0])
		error = json_pack("{s:s, s:s, s:s}", "step", d->error_step, "expected",
				  d->error_expected, "seen", d->error_seen);
	all = json_pack("{s:i, s:o, s:i, s:i, s:b, s:o, s:o, s:o, s:o, s:f, s:o, s:b}", "nodes",
			(int)d->n_nodes, "identities", identities, "pairs_reachable",
			(int)d->n_pairs_reachable, "pairs", (int)(d->n_nodes * (d->n_nodes - 1)),
			"all_hybrid", d->is_hybrid, "sessions", sessions, "transfer",
			transfer_json(d), "outages", outages, "dropper", dropper_json(&d->dropper),
			"seconds", (double)(report_now_us() - d->start_us) / 1e6, "error", error,
			"ok", is_ok);
	if (all)
		(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
	json_decref(all);
}
