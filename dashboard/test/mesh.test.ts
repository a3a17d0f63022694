// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import { fromText, toText } from "../src/layout";
import { fromOwn, idOf, likelyWay, linkId, linksOf, withLinkState } from "../src/mesh";
import { OwnSeries } from "../src/series";
import type { Peer, Route, Status } from "../src/types";
import { made, meshOf, node, side } from "./made";

test("of what both ends say of a link the worse counts", () => {
	const mesh = made([node("a"), node("b"), node("c")], [
		{ a: "a", b: "b", ab: side({ class: "fair", rtt_ms: 3, loss: 0.02 }), ba: side({ state: "suspect", rtt_ms: 5 }) },
		{ a: "b", b: "c", ab: null, ba: side({ class: "bad" }) },
		{ a: "a", b: "x", ab: side(), ba: null },
	]);
	const ab = mesh.links.get("a~b")!;
	assert.deepEqual([ab.state, ab.class, ab.rttMs, ab.loss], ["suspect", "fair", 5, 0.02]);
	assert.equal(mesh.links.get("b~c")!.class, "bad");
	assert.equal(mesh.links.size, 2); // one to a node that is not there is not drawn
});

test("traffic is counted once, though both ends tell of it", () => {
	const mesh = made([node("a"), node("b")], [
		{ a: "a", b: "b", ab: side({ sent_bps: 100, received_bps: 40 }), ba: side({ sent_bps: 50, received_bps: 90 }) },
	]);
	assert.equal(mesh.links.get("a~b")!.bps, 150);
});

test("an event changes this node's own link at once, and no other", () => {
	const mesh = meshOf(["a", "b", "c"], ["ab", "bc"]);
	const after = withLinkState(mesh, "b", "down", 2000)!;
	assert.equal(after.links.get("a~b")!.state, "down");
	assert.equal(after.links.get("b~c")!.state, "up");
	assert.equal(mesh.links.get("a~b")!.state, "up"); // what was is not changed: it may be gone back to
	assert.equal(withLinkState(mesh, "c", "down", 2000), null);
	assert.equal(withLinkState(mesh, "nobody", "down", 2000), null);
	assert.equal(withLinkState(after, "b", "up", 3000)!.links.get("a~b")!.state, "up");
});

test("without a topology, this node's own links are drawn and all it has ways to", () => {
	const status = { node_id: "a", name: "a", address: "fd::1", version: "1", uptime_s: 5 } as Status;
	const peer = (id: string, more: Partial<Peer>): Peer =>
		({ node: id, node_id: id, address: "", is_neighbour: false, has_session: true, sent_bytes: 0, received_bytes: 0, ...more });
	const peers = [peer("b", { is_neighbour: true, state: "up", class: "good", rtt_us: 2000, loss_ppm: 10000 }), peer("c", {})];
	const route = (id: string, more: Partial<Route>): Route => ({ node: id, node_id: id, is_reachable: true, via: "b", is_direct: false,
		alternates: [], paths: [], hops: 2, metric: 9, age_s: 1, ...more });
	const mesh = fromOwn(status, peers, [route("b", { via: "b", is_direct: true }), route("d", { is_reachable: false, via: null })], 5);
	assert.deepEqual([...mesh.nodes.keys()].sort(), ["a", "b", "c", "d"]);
	assert.deepEqual([...mesh.links.keys()], ["a~b"]);
	assert.deepEqual([mesh.links.get("a~b")!.rttMs, mesh.links.get("a~b")!.loss], [2, 0.01]);
	assert.equal(mesh.nodes.get("d")!.state, "unreachable");
	assert.equal(mesh.isComplete, false);
});

test("the likely way is the quick one, and never over a link that is down", () => {
	const mesh = made(["a", "b", "c", "d", "z"].map((id) => node(id)), [
		{ a: "a", b: "b", ab: side({ rtt_ms: 1 }), ba: null },
		{ a: "b", b: "d", ab: side({ rtt_ms: 1 }), ba: null },
		{ a: "a", b: "c", ab: side({ rtt_ms: 5 }), ba: null },
		{ a: "c", b: "d", ab: side({ rtt_ms: 5 }), ba: null },
	]);
	assert.deepEqual(likelyWay(mesh, "a", "d"), ["a", "b", "d"]);
	mesh.links.get(linkId("d", "b"))!.state = "down";
	assert.deepEqual(likelyWay(mesh, "a", "d"), ["a", "c", "d"]);
	assert.equal(likelyWay(mesh, "a", "z"), null);
	assert.deepEqual(likelyWay(mesh, "a", "a"), ["a"]);
});

test("rates come of counters, and a daemon started anew gives none that is negative", () => {
	const series = new OwnSeries();
	const peer = (sent: number): Peer => ({ node: "b", node_id: "b", address: "", is_neighbour: true, has_session: true, state: "up",
		rtt_us: 1500, sent_bytes: sent, received_bytes: 0 });
	for (const [time, sent] of [[0, 1000], [1000, 2000], [2000, 500], [3000, 750]] as const) series.add([peer(sent)], time);
	const s = series.summary().series;
	assert.deepEqual(s.sent_bps, [null, 8000, null, 2000]);
	assert.deepEqual(s.rtt_ms["b"], [1.5, 1.5, 1.5, 1.5]);
});

test("a node has the links of the mesh that is asked, also after one of them changed", () => {
	const mesh = meshOf(["a", "b", "c"], ["ab", "bc"]);
	assert.deepEqual(linksOf(mesh, "b").map((l) => l.id), ["a~b", "b~c"]);
	assert.deepEqual(linksOf(mesh, "nobody"), []);
	const after = withLinkState(mesh, "b", "down", 2000)!;
	assert.deepEqual(linksOf(after, "a").map((l) => l.state), ["down"]);
	assert.deepEqual(linksOf(mesh, "a").map((l) => l.state), ["up"]);
});

test("a node may be called as what objects have", () => {
	const mesh = made([node("a"), node("__proto__"), node("constructor")],
		[{ a: "a", b: "__proto__", ab: side(), ba: side() }, { a: "__proto__", b: "constructor", ab: side(), ba: null }]);
	assert.equal(mesh.nodes.size, 3);
	assert.deepEqual(likelyWay(mesh, "a", "constructor"), ["a", "__proto__", "constructor"]);
	assert.equal(idOf(mesh, "toString"), null);
	assert.equal(withLinkState(mesh, "constructor", "down", 2000), null);
	const places = fromText(toText(new Map([["__proto__", [1, 2]], ["constructor", [3, 4]]])));
	assert.deepEqual([...places], [["__proto__", [1, 2]], ["constructor", [3, 4]]]);
});
