/* SPDX-License-Identifier: Apache-2.0 */
/* An incident for people who are not at this machine: SVG, HTML. */
#include "cli/incident_page.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

#define BOX_WIDTH 190
#define BOX_HEIGHT 58
#define GAP_X 18
#define GAP_Y 50
#define MARGIN 16
#define LABEL_BYTES 27 /* of a name that fits into a box; the whole one is its title */
#define BAD_FROM 0.05  /* as incidents of shares open */

/* ---- text ---- */

/* Length of a sequence of UTF-8 at t that is not to be shown; 0: it may. The text is valid UTF-8.
 */
static size_t unwanted(const unsigned char *t)
{
	if ((t[0] < ' ' && t[0] != '\n') || t[0] == 0x7f)
		return 1;
	if (t[0] == 0xc2 && t[1] >= 0x80 && t[1] < 0xa0)
		return 2; /* U+0080 to U+009F */
	if (t[0] == 0xe2 && ((t[1] == 0x80 && (t[2] == 0x8e || t[2] == 0x8f)) ||
			     (t[1] == 0x80 && t[2] >= 0xaa && t[2] <= 0xae) ||
			     (t[1] == 0x81 && t[2] >= 0xa6 && t[2] <= 0xa9)))
		return 3; /* marks, embeddings, overrides and isolates of direction */
	if (t[0] == 0xef && t[1] == 0xbf && t[2] >= 0xbe)
		return 3; /* U+FFFE and U+FFFF are no characters of XML */
	return 0;
}

static void escape_some(FILE *to, const char *text, size_t len)
{
	const unsigned char *t = (const unsigned char *)text, *end = t + len;

	while (t < end && *t) {
		size_t n = unwanted(t);

		if (n > 0) {
			(void)fputc('?', to);
			t += n;
			continue;
		}
		switch (*t) {
		case '&':
			(void)fputs("&amp;", to);
			break;
		case '<':
			(void)fputs("&lt;", to);
			break;
		case '>':
			(void)fputs("&gt;", to);
			break;
		case '"':
			(void)fputs("&quot;", to);
			break;
		case '\'':
			(void)fputs("&#39;", to);
			break;
		default:
			(void)fputc(*t, to);
		}
		t++;
	}
}

void incident_escape(FILE *to, const char *text)
{
	escape_some(to, text, strlen(text));
}

/* What fits into a box, cut between characters. */
static void label(FILE *to, const char *name)
{
	size_t len = strlen(name);

	if (len > LABEL_BYTES) {
		len = LABEL_BYTES - 1;
		while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	escape_some(to, name, len);
	if (name[len])
		(void)fputs("…", to);
}

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void deviation(FILE *to, const json_t *vertex)
{
	if (json_is_number(json_object_get(vertex, "deviation")))
		(void)fprintf(to, "%.1f %%", 100 * real(vertex, "deviation"));
	else
		(void)fputs("not known", to);
}

/* ---- the picture ---- */

struct layout {
	size_t n, n_rows, widest;
	unsigned depth[INCIDENT_VERTICES_MAX];
	double x[INCIDENT_VERTICES_MAX]; /* of the middle */
	size_t in_row[INCIDENT_VERTICES_MAX + 1];
};

/* False for an edge that leads nowhere. */
static bool edge_of(const struct layout *l, const json_t *edge, size_t *ret_from, size_t *ret_to)
{
	json_int_t from = json_integer_value(json_object_get(edge, "from"));
	json_int_t to = json_integer_value(json_object_get(edge, "to"));

	if (from < 0 || to < 0 || (uint64_t)from >= l->n || (uint64_t)to >= l->n)
		return false;
	*ret_from = (size_t)from;
	*ret_to = (size_t)to;
	return true;
}

/* The fewest steps from the symptom, which is the first; what no edge leads to comes last. */
static void find_depths(struct layout *l, const json_t *edges)
{
	bool is_reached[INCIDENT_VERTICES_MAX] = { true };
	unsigned last = 0;
	const json_t *edge;
	size_t i, from, to;

	for (unsigned step = 0; step < l->n; step++) {
		json_array_foreach(edges, i, edge)
		{
			if (!edge_of(l, edge, &from, &to) || !is_reached[from] ||
			    l->depth[from] != step || is_reached[to])
				continue;
			is_reached[to] = true;
			l->depth[to] = last = step + 1;
		}
	}
	for (i = 0; i < l->n; i++)
		if (!is_reached[i])
			l->depth[i] = last + 1;
}

static int lay_out(const json_t *graph, struct layout *l)
{
	size_t at[INCIDENT_VERTICES_MAX + 1] = { 0 };

	*l = (struct layout){ .n = json_array_size(json_object_get(graph, "vertices")) };
	if (l->n == 0 || l->n > INCIDENT_VERTICES_MAX)
		return -EINVAL;
	find_depths(l, json_object_get(graph, "edges"));
	for (size_t i = 0; i < l->n; i++) {
		l->in_row[l->depth[i]]++;
		if (l->depth[i] + 1U > l->n_rows)
			l->n_rows = l->depth[i] + 1U;
		if (l->in_row[l->depth[i]] > l->widest)
			l->widest = l->in_row[l->depth[i]];
	}
	for (size_t i = 0; i < l->n; i++) {
		size_t row = l->depth[i];

		l->x[i] = (double)(l->widest * (BOX_WIDTH + GAP_X) + GAP_X) *
			  ((double)at[row]++ + 0.5) / (double)l->in_row[row];
	}
	return 0;
}

static unsigned top_of(const struct layout *l, size_t i)
{
	return MARGIN + l->depth[i] * (BOX_HEIGHT + GAP_Y);
}

static void draw_edge(FILE *to, const struct layout *l, const json_t *edge)
{
	size_t from, into;
	unsigned y1, y2;

	if (!edge_of(l, edge, &from, &into))
		return;
	y1 = top_of(l, from) + BOX_HEIGHT;
	y2 = top_of(l, into);
	(void)fprintf(to,
		      "<path class=\"edge\" d=\"M%.1f %u C%.1f %u %.1f %u %.1f %u\"/>"
		      "<text class=\"weight\" x=\"%.1f\" y=\"%u\">%.2g</text>\n",
		      l->x[from], y1, l->x[from], (y1 + y2) / 2, l->x[into], (y1 + y2) / 2,
		      l->x[into], y2, l->x[from] + (l->x[into] - l->x[from]) * 0.84 + 6, y2 - 9,
		      real(edge, "weight"));
}

static void draw_box(FILE *to, const struct layout *l, size_t i, const json_t *vertex)
{
	const json_t *value = json_object_get(vertex, "deviation");
	const char *kind = !json_is_number(value)		  ? "unknown"
			   : json_number_value(value) >= BAD_FROM ? "bad"
								  : "good";
	unsigned y = top_of(l, i);

	(void)fprintf(to, "<g class=\"%s%s\"><title>", kind, i == 0 ? " symptom" : "");
	incident_escape(to, json_text(vertex, "name"));
	(void)fprintf(to,
		      "</title><rect x=\"%.1f\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"9\"/>"
		      "<text class=\"name\" x=\"%.1f\" y=\"%u\">",
		      l->x[i] - BOX_WIDTH / 2.0, y, BOX_WIDTH, BOX_HEIGHT, l->x[i], y + 24);
	label(to, json_text(vertex, "name"));
	(void)fprintf(to, "</text><text x=\"%.1f\" y=\"%u\">%s", l->x[i], y + 43,
		      i == 0 ? "symptom: " : "");
	deviation(to, vertex);
	(void)fputs("</text></g>\n", to);
}

static const char svg_style[] =
	"text{font:13px sans-serif;text-anchor:middle;fill:#12211f}.name{font-weight:600}"
	".weight{font-size:11px;text-anchor:start}.edge{fill:none;stroke:#6b7a77;stroke-width:2}"
	"rect{fill:#eef2f1;stroke:#6b7a77;stroke-width:1.5}.bad rect{fill:#fbe1e1;stroke:#c02626;"
	"stroke-width:2}.good rect{fill:#dff3e8;stroke:#0f7a4d}.unknown rect{stroke-dasharray:4 4}"
	".symptom rect{stroke-width:3.5}";

int incident_svg(FILE *to, const json_t *graph, bool is_inside)
{
	const json_t *at;
	struct layout l;
	size_t i;
	int r = lay_out(graph, &l);

	if (r < 0)
		return r;
	if (!is_inside)
		(void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
	(void)fprintf(to,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %zu %zu\" "
		      "role=\"img\" aria-label=\"The symptom at the top, below it what it depends "
		      "on\">\n<style>%s</style>\n",
		      l.widest * (BOX_WIDTH + GAP_X) + GAP_X,
		      2 * (size_t)MARGIN + l.n_rows * (BOX_HEIGHT + GAP_Y) - GAP_Y, svg_style);
	json_array_foreach(json_object_get(graph, "edges"), i, at) draw_edge(to, &l, at);
	json_array_foreach(json_object_get(graph, "vertices"), i, at) draw_box(to, &l, i, at);
	(void)fputs("</svg>\n", to);
	return 0;
}

/* ---- the page ---- */

static const char page_head[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<style>body{max-width:46em;margin:2em auto;padding:0 1em;font:16px/1.5 sans-serif;"
	"color:#12211f;background:#fff}svg{width:100%;max-width:640px}td,th{text-align:left;"
	"vertical-align:top;padding:.3em 1em .3em 0;border-bottom:1px solid #d5dddb}"
	"pre{overflow:auto;background:#eef2f1;padding:.8em;font-size:12px}</style>\n";

static void row(FILE *to, const char *name, const char *value)
{
	(void)fprintf(to, "<tr><th scope=\"row\">%s</th><td>", name);
	incident_escape(to, value);
	(void)fputs("</td></tr>\n", to);
}

static void put_facts(FILE *to, const json_t *i)
{
	static const struct {
		const char *name, *key;
	} rows[] = {
		{ "Number", "id" },	    { "Kind", "kind" },
		{ "At", "subject" },	    { "For packets to", "about" },
		{ "Severity", "severity" }, { "State", "state" },
		{ "Why", "why" },	    { "Began", "began" },
		{ "Opened", "opened" },	    { "Healed", "healed" },
		{ "Over", "closed" },	    { "Remedy", "remedy" },
		{ "Effect", "effect" },
	};

	(void)fputs("<table>\n", to);
	for (size_t n = 0; n < N_ELEMENTS(rows); n++)
		if (json_text(i, rows[n].key)[0])
			row(to, rows[n].name, json_text(i, rows[n].key));
	row(to, "Done", json_is_string(json_object_get(i, "action")) ? "yes" : "no");
	row(to, "Confirmed by a probe", json_flag(i, "is_confirmed") ? "yes" : "no");
	(void)fputs("</table>\n", to);
}

static void put_causes(FILE *to, const json_t *i)
{
	const json_t *cause;
	size_t n;

	(void)fputs("<h2>Cause</h2>\n<ol>\n", to);
	json_array_foreach(json_object_get(i, "causes"), n, cause)
	{
		(void)fputs("<li>", to);
		incident_escape(to, json_text(cause, "name"));
		if (json_is_number(json_object_get(cause, "explained")))
			(void)fprintf(to, ": explains %.0f %% of it,",
				      100 * real(cause, "explained"));
		(void)fprintf(to, " confidence %.0f %%</li>\n", 100 * real(cause, "confidence"));
	}
	(void)fputs("</ol>\n", to);
	if (n == 0)
		(void)fputs("<p>Not known.</p>\n", to);
}

/* The picture, and the same in words. */
static void put_graph(FILE *to, const json_t *graph)
{
	const json_t *vertices = json_object_get(graph, "vertices"), *at;
	size_t i;

	(void)fputs("<h2>From the symptom to its causes</h2>\n", to);
	if (json_array_size(vertices) == 0 || incident_svg(to, graph, true) < 0) {
		(void)fputs("<p>There is no graph.</p>\n", to);
		return;
	}
	(void)fputs("<ul>\n", to);
	json_array_foreach(vertices, i, at)
	{
		const json_t *edge;
		size_t k;

		(void)fputs("<li>", to);
		incident_escape(to, json_text(at, "name"));
		(void)fputs(": ", to);
		deviation(to, at);
		json_array_foreach(json_object_get(graph, "edges"), k, edge)
		{
			const json_t *on = json_array_get(
				vertices, (size_t)json_integer_value(json_object_get(edge, "to")));

			if (json_integer_value(json_object_get(edge, "from")) != (json_int_t)i)
				continue;
			(void)fputs("; depends on ", to);
			incident_escape(to, json_text(on, "name"));
			(void)fprintf(to, " (weight %.2g)", real(edge, "weight"));
		}
		(void)fputs("</li>\n", to);
	}
	(void)fputs("</ul>\n", to);
}

static void put_steps(FILE *to, const json_t *steps)
{
	const json_t *at;
	size_t i;

	if (json_array_size(steps) == 0)
		return;
	(void)fputs("<h2>What happened when</h2>\n<table>\n", to);
	json_array_foreach(steps, i, at)
	{
		(void)fputs("<tr><td>", to);
		incident_escape(to, json_text(at, "at"));
		(void)fputs("</td><td>", to);
		incident_escape(to, json_text(at, "state"));
		(void)fputs("</td></tr>\n", to);
	}
	(void)fputs("</table>\n", to);
}

static void put_evidence(FILE *to, const json_t *evidence)
{
	const json_t *at;
	size_t i;

	(void)fputs("<h2>Evidence</h2>\n<ul>\n", to);
	json_array_foreach(evidence, i, at)
	{
		bool is_share = strcmp(json_text(at, "unit"), "ratio") == 0;

		(void)fputs("<li>", to);
		incident_escape(to, json_text(at, "measured"));
		(void)fprintf(to, ": %.1f ", real(at, "value") * (is_share ? 100 : 1));
		incident_escape(to, is_share ? "%" : json_text(at, "unit"));
		(void)fputs(", by ", to);
		incident_escape(to, json_text(at, "source"));
		(void)fputs("</li>\n", to);
	}
	(void)fputs("</ul>\n", to);
}

static void put_ledger(FILE *to, const json_t *ledger)
{
	const json_t *at;
	size_t i;

	(void)fputs("<h2>In the ledger</h2>\n", to);
	json_array_foreach(json_object_get(ledger, "entries"), i, at)
	{
		const json_t *proof = json_object_get(at, "proof");

		(void)fprintf(to, "<h3>Entry %" JSON_INTEGER_FORMAT "</h3>\n<pre>",
			      json_integer_value(json_object_get(at, "index")));
		incident_escape(to, json_text(at, "text"));
		(void)fputs("</pre>\n", to);
		if (!json_is_object(proof)) {
			(void)fputs("<p>No signed checkpoint has it yet.</p>\n", to);
			continue;
		}
		(void)fputs("<details><summary>Its proof, for an auditor</summary><pre>", to);
		incident_escape(to, json_text(proof, "file"));
		(void)fputs("</pre></details>\n", to);
	}
	if (i == 0)
		(void)fputs(ledger ? "<p>Nothing: nothing was done.</p>\n"
				   : "<p>It could not be read.</p>\n",
			    to);
}

void incident_html(FILE *to, const json_t *incident, const json_t *ledger)
{
	(void)fputs(page_head, to);
	(void)fputs("<title>Incident ", to);
	incident_escape(to, json_text(incident, "id"));
	(void)fputs("</title>\n</head>\n<body>\n<h1>Incident ", to);
	incident_escape(to, json_text(incident, "id"));
	(void)fputs("</h1>\n", to);
	put_facts(to, incident);
	put_causes(to, incident);
	put_graph(to, json_object_get(incident, "graph"));
	put_steps(to, json_object_get(incident, "steps"));
	put_evidence(to, json_object_get(incident, "evidence"));
	put_ledger(to, ledger);
	(void)fputs("</body>\n</html>\n", to);
}
