// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import { withLinkState } from "../src/mesh";
import { Chronicle, episodeSentence, eventSentence, History, passes } from "../src/story";
import type { MeshEvent } from "../src/types";
import { made, meshOf, node, side } from "./made";

const event = (more: Partial<MeshEvent>): MeshEvent =>
	({ type: "event", seq: 1, time: "2026-11-21T12:00:00.000Z", topic: "links", event: "link_down", peer: "roof", ...more });

test("an outage is told with how long it was and where traffic went", () => {
	const c = new Chronicle();
	const nodes = (hop: string) => [node("a"), node("b"), node("c"), node("d", { next_hop: hop })];
	const links = [{ a: "a", b: "b", ab: side(), ba: side() }, { a: "a", b: "c", ab: side(), ba: side() }];
	const before = made(nodes("b"), links, 1000);
	c.observe(before);
	const down = withLinkState(before, "b", "down", 2000)!;
	c.observe(down);
	assert.equal(episodeSentence(c.open()[0]!, 5000), "Link to b has been down for 3 s.");
	const moved = withLinkState(made(nodes("c"), links, 2300), "b", "down", 2300)!;
	c.observe(moved);
	c.observe(made(nodes("c"), links, 10000));
	assert.equal(c.open().length, 0);
	assert.equal(episodeSentence(c.episodes[0]!, 99999), "Link to b was down for 8 s; traffic to d moved to the way by c.");
});

test("where traffic went is told in the order of the names", () => {
	const c = new Chronicle();
	const nodes = (hop: string) => ["a", "b", "c", "f", "e", "d"].map((id) => node(id, /[def]/.test(id) ? { next_hop: hop } : {}));
	const links = [{ a: "a", b: "b", ab: side(), ba: side() }, { a: "a", b: "c", ab: side(), ba: side() }];
	c.observe(made(nodes("b"), links, 1000));
	c.observe(withLinkState(made(nodes("b"), links, 1000), "b", "down", 2000)!);
	c.observe(withLinkState(made(nodes("c"), links, 2300), "b", "down", 2300)!);
	assert.equal(episodeSentence(c.open()[0]!, 3000), "Link to b has been down for 1 s; traffic to d, e and f moved to the way by c.");
});

test("loss that lasts is one episode with its peak", () => {
	const c = new Chronicle();
	const lossy = (loss: number, time: number) => made([node("a"), node("b")],
		[{ a: "a", b: "b", ab: side({ loss }), ba: side() }], time);
	for (const [loss, time] of [[0, 0], [0.02, 1000], [0.04, 60000], [0.008, 100000], [0.001, 121000]] as const)
		c.observe(lossy(loss, time));
	assert.equal(c.episodes.length, 1);
	assert.equal(episodeSentence(c.episodes[0]!, 0), "Link to b lost up to 4 % for 2 min.");
});

test("links of others have both their ends named, and nodes that go are told", () => {
	const c = new Chronicle();
	const at = (state: "up" | "down", gone: boolean, time: number) => made(
		[node("a"), node("b"), node("c", { state: gone ? "unreachable" : "answers" })],
		[{ a: "b", b: "c", ab: side({ state }), ba: null }], time);
	c.observe(at("up", false, 0));
	c.observe(at("down", true, 1000));
	c.observe(at("up", false, 3000));
	assert.deepEqual(c.episodes.map((e) => episodeSentence(e, 0)),
		["Link b – c was down for 2 s.", "c could not be reached for 2 s."]);
});

test("what was open is not begun twice, and the list has a bound", () => {
	const c = new Chronicle();
	const mesh = meshOf(["a", "b"], ["ab"], 0);
	for (let i = 1; i < 1300; i++) c.observe(withLinkState(mesh, "b", i % 2 ? "down" : "suspect", i * 3000)!);
	assert.equal(c.episodes.length, 500);
	assert.ok(c.open().length <= 1);
});

test("one can go back to any picture, and unchanged ones are not kept each", () => {
	const h = new History();
	const mesh = meshOf(["a", "b"], ["ab"], 0);
	for (let t = 0; t < 4000; t += 1000) h.add({ ...mesh, time: t });
	h.add(withLinkState(mesh, "b", "down", 4000)!);
	h.add({ ...mesh, time: 4200 });
	assert.equal(h.begins(), 0);
	assert.equal(h.at(3999)!.time, 0);
	assert.equal(h.at(4100)!.links.get("a~b")!.state, "down");
	assert.equal(h.at(9999)!.time, 4200);
	assert.equal(h.at(-5)!.time, 0);
	assert.equal(new History().at(0), null);
});

test("events are sentences, and one that is not known is not hidden", () => {
	assert.equal(eventSentence(event({})), "Link to roof is down");
	assert.equal(eventSentence(event({ event: "flow_denied", why: "rule 3" })), "The policy stopped a flow of roof (rule 3)");
	assert.equal(eventSentence(event({ event: "route_changed", hops: 2, metric: 7 })), "The way to roof changed: 2 hops, metric 7");
	assert.equal(eventSentence(event({ event: "of_a_later_version" })), "of a later version: roof");
});

test("a filter passes what is of its topic, important, and has its words", () => {
	const all = { topic: "", text: "", isImportant: false };
	assert.ok(passes(event({}), all));
	assert.ok(!passes(event({}), { ...all, topic: "peers" }));
	assert.ok(!passes(event({ event: "rekeyed" }), { ...all, isImportant: true }));
	assert.ok(passes(event({}), { ...all, text: "ROOF is" }));
	assert.ok(!passes(event({}), { ...all, text: "cellar" }));
});

test("outages of before the page was opened are put together from events", () => {
	const c = new Chronicle();
	const at = (s: number) => new Date(s * 1000).toISOString();
	const mesh = meshOf(["a", "b", "c"], ["ab", "ac"], 100_000);
	const events = [
		event({ event: "link_down", peer: "b", time: at(10) }), event({ event: "link_down", peer: "b", time: at(11) }),
		event({ event: "link_down", peer: "c", time: at(20) }), event({ event: "link_up", peer: "b", time: at(40) }),
		event({ event: "link_down", peer: "gone", time: at(50) }),
	];
	c.observe(withLinkState(mesh, "c", "down", 100_000)!);
	c.recall(mesh, events);
	assert.deepEqual(c.episodes.map((e) => episodeSentence(e, 120_000)),
		["Link to b was down for 30 s.", "Link to c has been down for 2 min."]);
});

test("loss for a moment is not told", () => {
	const c = new Chronicle();
	const lossy = (loss: number, time: number) => made([node("a"), node("b")], [{ a: "a", b: "b", ab: side({ loss }), ba: null }], time);
	c.observe(lossy(0.02, 1000));
	c.observe(lossy(0, 2000));
	assert.equal(c.told(9000).length, 0);
	c.observe(lossy(0.02, 20_000));
	assert.equal(c.told(22_000).length, 0);
	assert.equal(c.told(24_000).length, 1);
});

test("of a large mesh fewer pictures are kept, and the newest always", () => {
	const h = new History();
	const ids = Array.from({ length: 500 }, (_, i) => `n${i}`);
	const mesh = made(ids.map((id) => node(id)), []);
	for (let t = 0; t < 1000; t++) h.add({ ...mesh, time: t * 10_000 });
	assert.equal(h.begins(), 6_000_000); // 400 of 500 nodes each
	assert.equal(h.at(1e12)!.time, 9_990_000);
});

test("a link that is down again at once had one outage", () => {
	const c = new Chronicle();
	const mesh = meshOf(["a", "b"], ["ab"], 0);
	for (const [state, time] of [["down", 1000], ["suspect", 5000], ["down", 5200], ["suspect", 5400], ["down", 9000]] as const)
		c.observe(withLinkState(mesh, "b", state, time)!);
	assert.deepEqual(c.episodes.map((e) => [e.from, e.to]), [[1000, 5400], [9000, null]]);
});

test("of more outages at once than are kept, none begins anew each time it is seen", () => {
	const c = new Chronicle();
	const ids = Array.from({ length: 700 }, (_, i) => `n${i}`);
	const at = (time: number) => made([node("a"), ...ids.map((id) => node(id))],
		ids.map((id) => ({ a: "a", b: id, ab: side({ state: "down" }), ba: null })), time);
	for (let time = 1000; time < 9000; time += 2000) c.observe(at(time));
	assert.equal(c.episodes.length, 500);
	assert.ok(c.episodes.every((e) => e.from === 1000 && e.to === null));
	c.observe(made([node("a"), ...ids.map((id) => node(id))],
		ids.map((id) => ({ a: "a", b: id, ab: side(), ba: null })), 9000));
	assert.equal(c.open().length, 0);
	c.observe(at(20000)); // those that are over make room
	assert.equal(c.open().length, 500);
	assert.equal(c.episodes.length, 500);
});
