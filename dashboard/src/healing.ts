// SPDX-License-Identifier: Apache-2.0
// Incidents in words, the graph of their causes laid out, and whether the ledger's proofs hold.
import { clock, duration, percent } from "./format";
import type { Cause, CauseGraph, Evidence, Incident, InclusionProof } from "./types";

export type Level = "good" | "warn" | "bad" | "over";

// ---- words ----

export function incidentSentence(i: Incident): string {
	switch (i.kind) {
	case "delivery": return `Packets${i.about ? ` to ${i.about}` : ""} that are handed to ${i.subject} do not all arrive`;
	case "link_loss": return `The link to ${i.subject} loses packets`;
	case "link_delay": return `The link to ${i.subject} has become slow`;
	case "restart": return `${i.subject} came back without having said goodbye`;
	case "link_down": return `The link to ${i.subject} stays down`;
	case "cpu": return `The processors of ${i.subject} are busy all the time`;
	case "memory": return `The memory of ${i.subject} is nearly full`;
	case "disk": return `The disk of ${i.subject} is nearly full`;
	case "service": return `The service ${i.subject} does not answer`;
	case "unusual": return `${i.subject} is unusual by its own past`;
	case "ledger_split": return `The ledger of ${i.about ?? i.subject} tells two stories`;
	}
	return `${i.kind.replace(/_/g, " ")} at ${i.subject}`;
}

const STATES: Record<string, [Level, string]> = {
	explaining: ["warn", "open: its cause is looked for"],
	waiting: ["warn", "open: waits for its turn to be repaired"],
	intent: ["warn", "open: the intent is being recorded"],
	acting: ["warn", "open: it is being repaired"],
	probing: ["warn", "open: whether the repair helped is being probed"],
	undoing: ["warn", "open: the repair did not help and is taken back"],
	result: ["warn", "open: the result is being recorded"],
	healed: ["good", "healed: the repair is in force"],
	ending: ["good", "healed: the repair is about to be taken back"],
	returning: ["good", "healed: the repair is being taken back"],
	returned: ["good", "healed: that it was taken back is being recorded"],
	noted: ["warn", "a hint: nothing is done and nobody is told"],
	escalated: ["bad", "left to a person"],
	closed: ["over", "over"],
	abandoned: ["over", "over: the daemon ended meanwhile"],
};

export function stateOf(i: Incident): { level: Level; words: string } {
	const [level, words] = STATES[i.state] ?? ["warn", i.state];
	return { level, words };
}

// The repair in force that keeps traffic off a node, whose way would otherwise seem longer than it need be.
export function avoiding(incidents: Incident[] | null, name: string): Incident | undefined {
	return incidents?.find((i) => i.remedy === "avoid" && i.subject === name && i.held_until !== null);
}

export function causeSentence(c: Cause): string {
	const confidence = `confidence ${percent(c.confidence)}`;
	if (c.explained == null) return `${c.name}: ${confidence}`;
	return `${c.name}: explains ${percent(c.explained)} of it, ${confidence}${c.source ? ` (${c.source})` : ""}`;
}

export function evidenceSentence(e: Evidence): string {
	const value = (v: number): string => (e.unit === "ratio" ? percent(v) : `${Number(v.toPrecision(3))} ${e.unit}`);
	const parts = [e.value == null ? "not known" : value(e.value), `by ${e.source}`];
	if (e.samples != null) parts.push(`${e.samples} ${e.samples === 1 ? "sample" : "samples"}`);
	if (e.opens_at != null) parts.push(`an incident from ${value(e.opens_at)} on`);
	return parts.join(", ");
}

export function deviationWords(deviation: number | null): string {
	return deviation === null ? "not known" : percent(deviation);
}

// ---- the timeline ----

export interface Moment {
	at: number;
	what: string;
	level: Level;
}

function stepWords(i: Incident, state: string, isFirst: boolean): [Level, string] {
	const remedy = i.remedy === "none" ? "a repair" : i.remedy;
	switch (state) {
	case "explaining": return ["bad", "Opened; its cause is looked for"];
	case "waiting": return !isFirst ? ["warn", "Waits for another try"]
		: i.causes[0] ? ["warn", `Cause named: ${i.causes[0].name}`] : ["warn", "No cause was found"];
	case "intent": return ["warn", `Intent: to ${remedy}; it goes to the ledger first`];
	case "acting": return ["warn", `The intent is in the ledger; being done: ${i.effect}`];
	case "probing": return ["warn", "Done; whether it helped is probed from outside"];
	case "undoing": return ["bad", "It did not help, and is taken back"];
	case "result": return ["warn", "Probed; the result goes to the ledger"];
	case "healed": return ["good", isFirst ? "Healed: the result is in the ledger, the repair in force" : "The repair stays in force"];
	case "ending": return ["warn", "Its time is over; the intent to take it back goes to the ledger"];
	case "returning": return ["warn", "The repair is being taken back"];
	case "returned": return ["warn", "Taken back; that goes to the ledger"];
	case "noted": return ["warn", "Noted as a hint: nothing is done and nobody is told"];
	case "escalated": return ["bad", "A person was told; nothing more is done"];
	case "closed": return ["good", "Over"];
	}
	return ["over", state];
}

// What happened when, the first first. Of an incident from before a restart only some is known.
export function momentsOf(i: Incident): Moment[] {
	const list: Moment[] = [];
	const add = (text: string | null | undefined, level: Level, what: string): void => {
		const at = text ? Date.parse(text) : NaN;
		if (!Number.isNaN(at)) list.push({ at, what, level });
	};
	add(i.began, "bad", "The first bad reading");
	if (!i.steps) {
		add(i.opened, "bad", "Opened");
		add(i.healed, "good", "Healed");
		add(i.closed, "good", "Over");
		return list;
	}
	const seen = new Set<string>();
	for (const step of i.steps) {
		const [level, what] = stepWords(i, step.state, !seen.has(step.state));
		seen.add(step.state);
		add(step.at, level, what);
	}
	return list;
}

// "+1.2 s" after the first of them.
export function afterWords(m: Moment, first: Moment): string {
	return m === first ? clock(m.at) : `+${m.at - first.at < 50 ? "0 s" : duration(m.at - first.at)}`;
}

// ---- the graph: the symptom at the top, below it what it depends on ----

export interface Box {
	index: number;
	x: number; // of its middle
	y: number; // of its top
	level: Level;
}

export interface Layout {
	width: number;
	height: number;
	boxes: Box[];
	edges: { from: Box; to: Box; weight: number }[];
}

export const BOX_WIDTH = 176;
export const BOX_HEIGHT = 58;
const GAP_X = 16;
const GAP_Y = 46;

function depthsOf(graph: CauseGraph): number[] {
	const depth: number[] = graph.vertices.map((_, i) => (i === 0 ? 0 : -1));
	for (let at = 0, queue = [0]; at < queue.length; at++)
		for (const e of graph.edges)
			if (e.from === queue[at] && depth[e.to] === -1) {
				depth[e.to] = depth[e.from]! + 1;
				queue.push(e.to);
			}
	const last = Math.max(0, ...depth);
	return depth.map((d) => (d < 0 ? last + 1 : d)); // nothing leads there
}

export function layoutOf(graph: CauseGraph): Layout {
	const depth = depthsOf(graph);
	const rows: number[][] = [];
	depth.forEach((d, i) => (rows[d] ??= []).push(i));
	const most = Math.max(1, ...rows.map((r) => r?.length ?? 0));
	const width = most * (BOX_WIDTH + GAP_X) + GAP_X;
	const boxes: Box[] = [];
	// Each below what depends on it, so that lines cross as little as they can.
	const above = (index: number): number => {
		const xs = graph.edges.filter((e) => e.to === index && boxes[e.from]).map((e) => boxes[e.from]!.x);
		return xs.length ? xs.reduce((p, q) => p + q, 0) / xs.length : width / 2;
	};
	rows.forEach((row, d) => row.map((index) => ({ index, x: above(index) })).sort((p, q) => p.x - q.x).forEach(({ index }, k) => {
		const deviation = graph.vertices[index]!.deviation;
		const level = deviation === null ? "over" : deviation >= 0.05 ? "bad" : "good";
		boxes[index] = { index, x: (width * (k + 0.5)) / row.length, y: GAP_X + d * (BOX_HEIGHT + GAP_Y), level };
	}));
	const edges = graph.edges.flatMap((e) => {
		const from = boxes[e.from];
		const to = boxes[e.to];
		return from && to ? [{ from, to, weight: e.weight }] : [];
	});
	return { width, height: GAP_X * 2 + rows.length * (BOX_HEIGHT + GAP_Y) - GAP_Y, boxes, edges };
}

// For who does not see the picture: each thing with what it depends on.
export function graphSentences(graph: CauseGraph): string[] {
	return graph.vertices.map((v, i) => {
		const on = graph.edges.filter((e) => e.from === i).map((e) =>
			`${graph.vertices[e.to]?.name ?? "?"} (weight ${Number(e.weight.toPrecision(2))})`);
		return `${v.name}: ${deviationWords(v.deviation)}${v.source ? `, by ${v.source}` : ""}${on.length ? `; depends on ${on.join(", ")}` : ""}.`;
	});
}

// ---- proofs ----

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
	const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		all.set(p, at);
		at += p.length;
	}
	return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

function fromHex(hex: string): Uint8Array | null {
	if (!/^([0-9a-f]{2})*$/.test(hex)) return null;
	return Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
}

function base64(bytes: Uint8Array): string {
	return btoa(String.fromCharCode(...bytes));
}

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

// RFC 9162, 2.1.3.2: whether the entry is in the tree with this root; and whether that root is the one
// that the checkpoint of the proof's file has signed. Positions may be beyond 32 bits.
export async function isIncluded(text: string, index: number, p: InclusionProof): Promise<boolean> {
	const root = fromHex(p.root);
	const hashes = p.hashes.map(fromHex);
	let fn = index;
	let sn = p.size - 1;
	if (!root || root.length !== 32 || hashes.some((h) => h?.length !== 32) || index < 0 || index > sn) return false;
	let r = await sha256(LEAF, new TextEncoder().encode(text));
	for (const h of hashes as Uint8Array[]) {
		if (sn === 0) return false;
		if (fn % 2 === 1 || fn === sn) {
			r = await sha256(NODE, h, r);
			while (fn % 2 === 0 && fn !== 0) {
				fn = Math.floor(fn / 2);
				sn = Math.floor(sn / 2);
			}
		} else {
			r = await sha256(NODE, r, h);
		}
		fn = Math.floor(fn / 2);
		sn = Math.floor(sn / 2);
	}
	return sn === 0 && r.every((byte, i) => byte === root[i]) && p.file.includes(`\n${p.size}\n${base64(root)}\n`);
}
