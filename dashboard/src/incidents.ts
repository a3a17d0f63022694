// SPDX-License-Identifier: Apache-2.0
// The views of healing: incidents, and one of them with its causes, its time and its proof.
import { type Child, h, s } from "./dom";
import { clock, count, date, NONE } from "./format";
import {
	afterWords, avoiding, BOX_HEIGHT, BOX_WIDTH, type Box, causeSentence, deviationWords, evidenceSentence, graphSentences, incidentSentence,
	layoutOf, momentsOf, stateOf,
} from "./healing";
import { proofKey, type State } from "./state";
import type { CauseGraph, Incident, LedgerEntry } from "./types";

const LABEL_LETTERS = 24; // of a box; the whole name is below, and in its title

function dot(level: string): HTMLElement {
	return h("span", { class: `dot ${level}`, "aria-hidden": "true" });
}

function capital(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}

function day(text: string | null): string {
	const at = text ? Date.parse(text) : NaN;
	return Number.isNaN(at) ? NONE : date(at);
}

function time(text: string): HTMLElement {
	const at = Date.parse(text);
	return h("time", { datetime: text, title: day(text) }, Number.isNaN(at) ? NONE : Date.now() - at < 86_400_000 ? clock(at) : date(at));
}

// ---- the list ----

function item(i: Incident): HTMLElement {
	const state = stateOf(i);
	const cause = i.causes[0];
	return h("li", { "data-key": i.id, class: "story" }, dot(state.level),
		h("span", null, h("a", { href: `#/incidents/${encodeURIComponent(i.id)}` }, incidentSentence(i)),
			h("span", { class: "quiet" }, ` ${capital(state.words)}.${cause ? ` Cause: ${cause.name}.` : ""}`)),
		time(i.opened));
}

// For the overview: what is open, or was opened in the last hour.
export function recentIncidents(st: State): Child {
	const recent = (st.incidents ?? []).filter((i) => i.is_open || Date.now() - Date.parse(i.opened) < 3_600_000).slice(0, 3);
	return recent.length > 0 && [
		h("h3", { "data-key": "incidents-title" }, "Incidents"),
		h("ol", { "data-key": "incidents", class: "stories" }, recent.map(item)),
	];
}

// For a node's way: why it is longer than the map lets expect.
export function avoidedNote(st: State, name: string): Child {
	const i = st.at === null ? avoiding(st.incidents, name) : undefined;
	return i && h("p", { "data-key": "avoided", class: "note" },
		`Where there is another way, this node keeps traffic off ${name} until ${clock(Date.parse(i.held_until!))}: `,
		h("a", { href: `#/incidents/${encodeURIComponent(i.id)}` }, "why"), ".");
}

function list(st: State): Child {
	const open = (st.incidents ?? []).filter((i) => i.is_open).length;
	return [
		h("h2", { "data-key": "title" }, "Incidents"),
		h("p", { "data-key": "what", class: "note" }, "What this node found wrong that forwarding cannot repair, or not for good: noticed, explained, repaired within its mandate, recorded."),
		st.incidents === null
			? h("p", { "data-key": "none", class: st.incidentsWhy ? "problem" : "empty" }, st.incidentsWhy || "Asking the daemon …")
			: st.incidents.length === 0
				? h("p", { "data-key": "none", class: "empty" }, "None, as far back as this node remembers.")
				: [
					h("p", { "data-key": "count", class: "quiet", role: "status" }, `${count(st.incidents.length, "incident")}, ${open} open`),
					h("ol", { "data-key": "list", class: "stories" }, st.incidents.map(item)),
				],
	];
}

// ---- the graph ----

function short(name: string): string {
	return [...name].length > LABEL_LETTERS ? `${[...name].slice(0, LABEL_LETTERS - 1).join("")}…` : name;
}

function boxOf(graph: CauseGraph, b: Box, isSymptom: boolean): SVGElement {
	const v = graph.vertices[b.index]!;
	return s("g", { class: `cause-box ${b.level}${isSymptom ? " symptom" : ""}`, transform: `translate(${b.x - BOX_WIDTH / 2} ${b.y})` },
		s("title", null, v.name),
		s("rect", { width: BOX_WIDTH, height: BOX_HEIGHT, rx: 9 }),
		s("text", { x: BOX_WIDTH / 2, y: 24, class: "cause-name" }, short(v.name)),
		s("text", { x: BOX_WIDTH / 2, y: 43 }, isSymptom ? `symptom: ${deviationWords(v.deviation)}` : deviationWords(v.deviation)));
}

function picture(graph: CauseGraph): SVGElement {
	const l = layoutOf(graph);
	return s("svg", {
		class: "causes", viewBox: `0 0 ${l.width} ${l.height}`, role: "img",
		"aria-label": "Graph of causes: the symptom at the top, below it what it depends on. The same is said in words below.",
	},
	l.edges.map((e) => {
		const [x1, y1, x2, y2] = [e.from.x, e.from.y + BOX_HEIGHT, e.to.x, e.to.y];
		const middle = (y1 + y2) / 2;
		return s("g", { class: "cause-edge" },
			s("path", { d: `M${x1} ${y1} C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`, "stroke-width": 1 + 2 * e.weight }),
			s("text", { x: x1 + (x2 - x1) * 0.84 + 6, y: y2 - 9 }, String(Number(e.weight.toPrecision(2)))));
	}),
	l.boxes.map((b) => boxOf(graph, b, b.index === 0)));
}

function graphPart(i: Incident): Child {
	if (!i.graph) return h("p", { "data-key": "no-graph", class: "empty" }, "Of an incident from before a restart the graph is not kept.");
	if (i.graph.vertices.length === 0) return h("p", { "data-key": "no-graph", class: "empty" }, "Nothing that it depends on was looked at: the cause is where the symptom is.");
	return [
		h("div", { "data-key": "graph", class: "scroll", tabindex: 0, role: "region", "aria-label": "Picture of the causes" }, picture(i.graph)),
		h("details", { "data-key": "graph-words" }, h("summary", null, "The same in words"),
			h("ul", { class: "words" }, graphSentences(i.graph).map((t, n) => h("li", { "data-key": String(n) }, capital(t))))),
	];
}

// ---- the proof ----

function proofWords(st: State, e: LedgerEntry): Child {
	if (!e.proof) return [dot("warn"), "No signed checkpoint has it yet."];
	switch (st.proofs.get(proofKey(e))) {
	case "holds": return [dot("good"), `Proved: it is in the tree of ${e.proof.size} entries; this page has checked the hashes.`];
	case "fails": return [dot("bad"), "THE PROOF DOES NOT HOLD. On this node: x0 ledger verify"];
	case "cannot": return [dot("over"), "There is a proof; this page cannot check it, for a browser does so only over a secure connection."];
	case "checking": case undefined: break;
	}
	return [dot("over"), "The proof is being checked …"];
}

function entryItem(st: State, e: LedgerEntry): HTMLElement {
	const what = `${e.entry.what}${e.entry.where ? ` at ${e.entry.where}` : ""}`;
	return h("li", { "data-key": String(e.index), class: "entry" },
		h("p", { "data-key": "what" }, h("strong", null, `Entry ${e.index}: ${e.entry.kind}`), ` – ${what}${e.entry.result ? `: ${e.entry.result}` : ""}`,
			time(new Date(e.entry.when).toISOString())),
		e.entry.why && h("p", { "data-key": "why", class: "quiet" }, e.entry.why),
		h("p", { "data-key": "proof", class: "health-line proof" }, proofWords(st, e)),
		e.proof && h("details", { "data-key": "file" }, h("summary", null, `Proof of entry ${e.index}, for an auditor`),
			h("p", { class: "quiet" }, `Its two signatures (Ed25519, ML-DSA-44) are checked by who has kept this node's keys: x0 ledger prove ${e.index} writes the same file.`),
			h("pre", { class: "wrap", tabindex: 0, role: "region", "aria-label": `Proof of entry ${e.index}` }, e.proof.file)));
}

function ledgerPart(st: State): Child {
	if (!st.ledger) return h("p", { "data-key": "no-ledger", class: st.ledgerWhy ? "problem" : "empty" }, st.ledgerWhy || "Asking the daemon …");
	return [
		st.ledger.entries.length === 0
			? h("p", { "data-key": "no-ledger", class: "empty" }, "It has nothing of this incident: nothing was done.")
			: h("ol", { "data-key": "entries", class: "entries" }, st.ledger.entries.map((e) => entryItem(st, e))),
		!st.ledger.is_complete && h("p", { "data-key": "more", class: "note" }, "There may be more, further back than was looked: x0 ledger show"),
	];
}

// ---- one ----

function facts(i: Incident): HTMLElement {
	const isDone = i.action !== null;
	const rows: [string, Child][] = [
		["Severity", i.severity],
		["Opened", day(i.opened)],
		[isDone ? "Done" : "Not done", i.remedy === "none" ? "nothing: a person is told" : `${i.remedy}: ${i.effect}`],
		...(isDone ? [["Helped", i.is_confirmed ? "yes, by a probe from outside" : "not proved"] as [string, Child]] : []),
		...(i.held_until ? [["In force until", day(i.held_until)] as [string, Child]] : []),
		["Number", h("code", null, i.id)],
	];
	return h("dl", { "data-key": "facts", class: "facts" }, rows.map(([name, value]) =>
		h("div", { "data-key": name }, h("dt", null, name), h("dd", null, value))));
}

function timeline(i: Incident): HTMLElement {
	const moments = momentsOf(i);
	return h("ol", { "data-key": "moments", class: "moments", "aria-label": "What happened when" }, moments.map((m, n) =>
		h("li", { "data-key": String(n), class: m.level }, h("time", { datetime: new Date(m.at).toISOString(), title: clock(m.at) }, afterWords(m, moments[0]!)),
			dot(m.level), h("span", null, m.what))));
}

function whole(st: State, i: Incident): Child {
	const state = stateOf(i);
	return [
		h("p", { "data-key": "state", class: `health-line ${state.level}`, role: "status" }, dot(state.level),
			`${capital(state.words)}${i.why ? `: ${i.why}` : ""}.`),
		facts(i),
		h("h3", { "data-key": "causes-title" }, "Cause"),
		i.causes.length
			? h("ol", { "data-key": "causes", class: "ranked" }, i.causes.map((c, n) => h("li", { "data-key": `${n}${c.name}` }, `${n === 0 ? "" : "or "}${causeSentence(c)}`)))
			: h("p", { "data-key": "no-cause", class: "empty" }, "Not known."),
		(i.unknown ?? 0) > 0 && h("p", { "data-key": "unknown", class: "quiet" }, `Nothing is known of ${count(i.unknown!, "thing")} that it depends on.`),
		h("h3", { "data-key": "graph-title" }, "From the symptom to its causes"),
		h("div", { "data-key": "graph-part" }, graphPart(i)),
		h("h3", { "data-key": "moments-title" }, "What happened when"),
		timeline(i),
		h("h3", { "data-key": "evidence-title" }, "Evidence"),
		h("ul", { "data-key": "evidence", class: "words" }, (i.evidence ?? []).map((e, n) => h("li", { "data-key": String(n) },
			`${e.measured ? `${clock(Date.parse(e.measured))}: ` : ""}${evidenceSentence(e)}`))),
		h("h3", { "data-key": "ledger-title" }, "In the ledger"),
		h("div", { "data-key": "ledger" }, ledgerPart(st)),
	];
}

export function incidentsPanel(st: State): Child {
	if (!st.incident) return list(st);
	const i = st.one?.id === st.incident ? st.one : null;
	return [
		h("p", { "data-key": "back" }, h("a", { href: "#/incidents" }, "All incidents")),
		h("h2", { "data-key": "title" }, i ? incidentSentence(i) : "Incident"),
		i ? whole(st, i) : h("p", { "data-key": "none", class: st.oneWhy ? "problem" : "empty" }, st.oneWhy || "Asking the daemon …"),
	];
}
