// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import {
	afterWords, avoiding, causeSentence, evidenceSentence, graphSentences, incidentSentence, isIncluded, layoutOf, momentsOf, stateOf,
} from "../src/healing";
import type { CauseGraph, Incident, InclusionProof } from "../src/types";

const incident = (more: Partial<Incident> = {}): Incident => ({
	id: "7", kind: "delivery", subject: "n2", about: "n6", severity: "serious", state: "healed", is_open: false,
	began: "2026-11-22T03:00:00.000Z", opened: "2026-11-22T03:00:00.200Z", healed: "2026-11-22T03:00:04.000Z", closed: null, held_until: null,
	remedy: "avoid", effect: "packets go around it", action: "8", is_confirmed: true, why: "", causes: [], ...more,
});

const vertex = (name: string, deviation: number | null) => ({ kind: "node", name, deviation, source: "probes", measured: null });
const graph: CauseGraph = {
	vertices: [vertex("route to n6 by n2", 0.57), vertex("link n1 - n2", 0), vertex("node n2", 0.57), vertex("link n2 - n6", null)],
	edges: [{ from: 0, to: 1, weight: 1 }, { from: 0, to: 2, weight: 1 }, { from: 2, to: 3, weight: 0.9 }],
};

test("an incident is told as a sentence, of whatever kind", () => {
	assert.equal(incidentSentence(incident()), "Packets to n6 that are handed to n2 do not all arrive");
	assert.equal(incidentSentence(incident({ about: null })), "Packets that are handed to n2 do not all arrive");
	assert.equal(incidentSentence(incident({ kind: "of_tomorrow" })), "of tomorrow at n2");
	assert.equal(stateOf(incident()).level, "good");
	assert.deepEqual(stateOf(incident({ state: "of tomorrow" })), { level: "warn", words: "of tomorrow" });
});

test("a node is kept off as long as the repair is in force", () => {
	const held = incident({ held_until: "2026-11-22T03:10:00.000Z" });
	assert.equal(avoiding([incident({ remedy: "free_space", held_until: held.held_until }), held], "n2"), held);
	assert.equal(avoiding([held], "n6"), undefined);
	assert.equal(avoiding([incident()], "n2"), undefined);
	assert.equal(avoiding(null, "n2"), undefined);
});

test("causes and evidence say how sure they are, also where less is known", () => {
	assert.equal(causeSentence({ kind: "node", name: "node n2", confidence: 0.625, explained: 0.99, source: "probes" }),
		"node n2: explains 99 % of it, confidence 63 % (probes)");
	assert.equal(causeSentence({ kind: "node", name: "node n2", confidence: 0.6 }), "node n2: confidence 60 %");
	assert.equal(evidenceSentence({ value: 0.57, unit: "ratio", opens_at: 0.05, samples: 16, source: "probes", measured: null }),
		"57 %, by probes, 16 samples, an incident from 5 % on");
	assert.equal(evidenceSentence({ value: null, unit: "seconds", opens_at: null, samples: null, source: "the link", measured: null }),
		"not known, by the link");
});

test("the timeline has each step with how long after the first bad reading", () => {
	const at = (s: string) => `2026-11-22T03:00:0${s}00Z`;
	const moments = momentsOf(incident({
		causes: [{ kind: "node", name: "node n2", confidence: 1 }],
		steps: [
			{ state: "explaining", at: at("0.2") }, { state: "waiting", at: at("0.2") }, { state: "intent", at: at("0.5") }, { state: "acting", at: at("0.5") },
			{ state: "probing", at: at("0.5") }, { state: "result", at: at("3.9") }, { state: "healed", at: at("4.0") }, { state: "ending", at: "not a date" },
		],
	}));
	assert.deepEqual(moments.map((m) => m.what.split(/[;:]/)[0]), ["The first bad reading", "Opened", "Cause named", "Intent",
		"The intent is in the ledger", "Done", "Probed", "Healed"]);
	assert.equal(moments[2]!.what, "Cause named: node n2");
	assert.equal(afterWords(moments[7]!, moments[0]!), "+4 s");
});

test("of an incident from before a restart the timeline has what is kept", () => {
	assert.deepEqual(momentsOf(incident({ steps: null, closed: "2026-11-22T04:00:00.000Z" })).map((m) => m.what),
		["The first bad reading", "Opened", "Healed", "Over"]);
});

test("the symptom is above what it depends on, and nothing overlaps", () => {
	const l = layoutOf(graph);
	assert.deepEqual(l.boxes.map((b) => b.y).map((y) => [...new Set(l.boxes.map((b) => b.y))].indexOf(y)), [0, 1, 1, 2]);
	assert.ok(Math.abs(l.boxes[1]!.x - l.boxes[2]!.x) >= 176);
	assert.ok(l.boxes.every((b) => b.x - 88 >= 0 && b.x + 88 <= l.width && b.y + 58 <= l.height));
	assert.deepEqual(l.boxes.map((b) => b.level), ["bad", "good", "bad", "over"]);
	assert.equal(graphSentences(graph)[0], "route to n6 by n2: 57 %, by probes; depends on link n1 - n2 (weight 1), node n2 (weight 1).");
});

test("what depends on one thing is drawn below it: lines do not cross without need", () => {
	const l = layoutOf({ vertices: [vertex("s", 1), vertex("left", 1), vertex("right", 1), vertex("below right", 1), vertex("below left", 1)],
		edges: [{ from: 0, to: 1, weight: 1 }, { from: 0, to: 2, weight: 1 }, { from: 2, to: 3, weight: 1 }, { from: 1, to: 4, weight: 1 }] });
	assert.ok(l.boxes[4]!.x < l.boxes[3]!.x);
});

test("a graph that is none is laid out all the same: edges to nowhere, circles, what nothing leads to", () => {
	const l = layoutOf({ vertices: [vertex("a", 1), vertex("b", 1), vertex("c", 1)],
		edges: [{ from: 0, to: 1, weight: 1 }, { from: 1, to: 0, weight: 1 }, { from: 0, to: 9, weight: 1 }] });
	assert.equal(l.boxes.length, 3);
	assert.equal(l.edges.length, 2);
	assert.equal(layoutOf({ vertices: [], edges: [] }).boxes.length, 0);
});

// A tree made here, as RFC 9162 has it, to check what the page checks.
async function sha(...parts: Uint8Array[]): Promise<Uint8Array> {
	return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(parts.flatMap((p) => [...p]))));
}

const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");

async function rootOf(leaves: Uint8Array[]): Promise<Uint8Array> {
	if (leaves.length === 1) return leaves[0]!;
	let k = 1;
	while (k * 2 < leaves.length) k *= 2;
	return sha(Uint8Array.of(1), await rootOf(leaves.slice(0, k)), await rootOf(leaves.slice(k)));
}

async function pathOf(n: number, leaves: Uint8Array[]): Promise<Uint8Array[]> {
	if (leaves.length === 1) return [];
	let k = 1;
	while (k * 2 < leaves.length) k *= 2;
	return n < k ? [...(await pathOf(n, leaves.slice(0, k))), await rootOf(leaves.slice(k))]
		: [...(await pathOf(n - k, leaves.slice(k))), await rootOf(leaves.slice(0, k))];
}

async function proofOf(n: number, texts: string[]): Promise<InclusionProof> {
	const leaves = await Promise.all(texts.map((t) => sha(Uint8Array.of(0), new TextEncoder().encode(t))));
	const root = await rootOf(leaves);
	return { size: texts.length, root: hex(root), hashes: (await pathOf(n, leaves)).map(hex),
		file: `c2sp.org/tlog-proof@v1\n\nmesh/node/n1\n${texts.length}\n${btoa(String.fromCharCode(...root))}\n\n— x\n` };
}

test("proofs of entries hold in trees of each size, and of nothing else", async () => {
	for (const size of [1, 2, 3, 7, 8, 13]) {
		const texts = Array.from({ length: size }, (_, i) => `{"n":"${i}ü"}`);
		for (let n = 0; n < size; n++) {
			const p = await proofOf(n, texts);
			assert.equal(await isIncluded(texts[n]!, n, p), true);
			assert.equal(await isIncluded(`${texts[n]} `, n, p), false);
			assert.equal(await isIncluded(texts[n]!, n + 1, p), false);
			assert.equal(await isIncluded(texts[n]!, -1, p), false);
			assert.equal(await isIncluded(texts[n]!, n, { ...p, hashes: [...p.hashes, p.root] }), false);
			assert.equal(await isIncluded(texts[n]!, n, { ...p, file: p.file.replace("\n\n", "\n\n9") }), true, "the origin is not hashed");
			assert.equal(await isIncluded(texts[n]!, n, { ...p, file: "" }), false, "another root than the signed one");
			assert.equal(await isIncluded(texts[n]!, n, { ...p, root: "zz" }), false);
			if (p.hashes.length) assert.equal(await isIncluded(texts[n]!, n, { ...p, hashes: p.hashes.slice(1) }), false);
		}
	}
});
