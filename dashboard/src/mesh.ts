// SPDX-License-Identifier: Apache-2.0
// The mesh as it is drawn: made from /topology, or, where there is none, from this node's own links.
import type { LinkState, NodeState as ToldState, Peer, Route, Status, Topology, TopologyNode, TopologySide } from "./types";

// One that was asked and has not had the time to answer is not silent yet.
export type NodeState = ToldState | "asked";

export interface Node {
	id: string;
	name: string;
	address: string | null;
	isSelf: boolean;
	state: NodeState;
	ageMs: number | null;
	hops: number | null;
	metric: number | null;
	nextHop: string | null;
	version: string | null;
	uptimeS: number | null;
}

export interface Side {
	state: LinkState;
	class: string;
	rttMs: number | null;
	jitterMs: number | null;
	loss: number | null;
	sentBytes: number | null;
	receivedBytes: number | null;
	sentBps: number | null;
	receivedBps: number | null;
	underlay: string | null;
}

export interface Link {
	id: string;
	a: string;
	b: string;
	ab: Side | null; // as a says
	ba: Side | null; // as b says
	state: LinkState; // the worse of both
	class: string;
	rttMs: number | null;
	loss: number | null;
	bps: number; // both directions together
}

export interface Mesh {
	time: number;
	self: string;
	isComplete: boolean;
	why: string;
	nodes: Map<string, Node>;
	links: Map<string, Link>;
}

export const CLASSES = ["excellent", "good", "fair", "poor", "bad"] as const;
const STATES: LinkState[] = ["up", "suspect", "down"];

export function linkId(a: string, b: string): string {
	return a < b ? `${a}~${b}` : `${b}~${a}`;
}

export function classRank(name: string): number {
	const i = (CLASSES as readonly string[]).indexOf(name);
	return i < 0 ? CLASSES.length : i;
}

function number(value: number | null | undefined): number | null {
	return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function most(values: (number | null | undefined)[]): number | null {
	const known = values.filter((v): v is number => typeof v === "number");
	return known.length ? Math.max(...known) : null;
}

function sideOf(s: TopologySide | null): Side | null {
	return s && {
		state: STATES.includes(s.state) ? s.state : "down",
		class: s.class,
		rttMs: number(s.rtt_ms),
		jitterMs: number(s.jitter_ms),
		loss: number(s.loss),
		sentBytes: number(s.sent_bytes),
		receivedBytes: number(s.received_bytes),
		sentBps: number(s.sent_bps),
		receivedBps: number(s.received_bps),
		underlay: s.underlay ?? null,
	};
}

export function makeLink(x: string, y: string, xy: Side | null, yx: Side | null): Link {
	const [a, b, ab, ba] = x < y ? [x, y, xy, yx] : [y, x, yx, xy];
	const sides = [ab, ba].filter((s): s is Side => s !== null);
	const worst = Math.max(-1, ...sides.map((s) => STATES.indexOf(s.state)));
	const up = sides.filter((s) => s.state !== "down");
	const ways = [most([ab?.sentBps, ba?.receivedBps]), most([ba?.sentBps, ab?.receivedBps])];
	return {
		id: linkId(a, b),
		a,
		b,
		ab,
		ba,
		state: STATES[worst] ?? "down",
		class: sides.map((s) => s.class).sort((p, q) => classRank(q) - classRank(p))[0] ?? "unknown",
		rttMs: most(up.map((s) => s.rttMs)),
		loss: most(sides.map((s) => s.loss)),
		bps: (ways[0] ?? 0) + (ways[1] ?? 0),
	};
}

function stateOf(n: TopologyNode, isFresh: boolean): NodeState {
	if (n.is_self) return "self";
	return isFresh && n.state === "silent" ? "asked" : n.state;
}

// isFresh: it was not looked at before.
export function fromTopology(t: Topology, isFresh = false): Mesh {
	const nodes = new Map<string, Node>();
	const links = new Map<string, Link>();
	for (const n of t.nodes)
		nodes.set(n.id, {
			id: n.id,
			name: n.name || n.id,
			address: n.address ?? null,
			isSelf: n.is_self,
			state: stateOf(n, isFresh),
			ageMs: number(n.age_ms),
			hops: number(n.hops),
			metric: number(n.metric),
			nextHop: n.next_hop ?? null,
			version: n.version ?? null,
			uptimeS: number(n.uptime_s),
		});
	for (const l of t.links) {
		if (!nodes.has(l.a) || !nodes.has(l.b)) continue;
		const link = makeLink(l.a, l.b, sideOf(l.ab), sideOf(l.ba));
		links.set(link.id, link);
	}
	return {
		time: Number.isNaN(Date.parse(t.time)) ? Date.now() : Date.parse(t.time),
		self: t.self,
		isComplete: t.is_complete,
		why: t.why ?? "",
		nodes,
		links,
	};
}

function ownSide(p: Peer): Side {
	return {
		state: p.state ?? "down",
		class: p.class ?? "unknown",
		rttMs: p.rtt_us == null ? null : p.rtt_us / 1000,
		jitterMs: p.jitter_us == null ? null : p.jitter_us / 1000,
		loss: p.loss_ppm == null ? null : p.loss_ppm / 1e6,
		sentBytes: p.sent_bytes,
		receivedBytes: p.received_bytes,
		sentBps: null,
		receivedBps: null,
		underlay: p.endpoint ?? null,
	};
}

// Without /topology, which the policy may forbid: this node, its links, and that there is a way to the others.
export function fromOwn(status: Status, peers: Peer[], routes: Route[], time: number): Mesh {
	const nodes = new Map<string, Node>();
	const links = new Map<string, Link>();
	const ids = new Map(peers.map((p) => [p.node, p.node_id]));
	for (const r of routes) ids.set(r.node, r.node_id);
	const node = (id: string, name: string, address: string | null): Node => ({
		id, name, address, isSelf: false, state: "unreachable", ageMs: null, hops: null, metric: null,
		nextHop: null, version: null, uptimeS: null,
	});
	nodes.set(status.node_id, {
		...node(status.node_id, status.name, status.address),
		isSelf: true, state: "self", version: status.version, uptimeS: status.uptime_s,
	});
	for (const p of peers) {
		nodes.set(p.node_id, node(p.node_id, p.node, p.address));
		if (!p.is_neighbour) continue;
		const link = makeLink(status.node_id, p.node_id, ownSide(p), null);
		links.set(link.id, link);
	}
	for (const r of routes) {
		const n = nodes.get(r.node_id) ?? node(r.node_id, r.node, null);
		n.state = r.is_reachable ? "answers" : "unreachable";
		n.hops = r.is_reachable ? r.hops : null;
		n.metric = r.is_reachable ? r.metric : null;
		n.nextHop = r.via === null ? null : (ids.get(r.via) ?? null);
		nodes.set(r.node_id, n);
	}
	return {
		time,
		self: status.node_id,
		isComplete: false,
		why: "the topology cannot be had here: only the links of this node are drawn",
		nodes,
		links,
	};
}

export function nameOf(mesh: Mesh, id: string): string {
	return mesh.nodes.get(id)?.name ?? id;
}

// Its two ends, in the order of their names.
export function linkName(mesh: Mesh, l: Link): string {
	return [nameOf(mesh, l.a), nameOf(mesh, l.b)].sort().join(" – ");
}

export function idOf(mesh: Mesh, nameOrId: string): string | null {
	if (mesh.nodes.has(nameOrId)) return nameOrId;
	for (const n of mesh.nodes.values()) if (n.name === nameOrId) return n.id;
	return null;
}

// By the links of a mesh, which are not changed once it is made: with a thousand nodes looking through
// all of them for each node took longer than drawing.
const byNode = new WeakMap<Map<string, Link>, Map<string, Link[]>>();

function linksByNode(links: Map<string, Link>): Map<string, Link[]> {
	const kept = byNode.get(links);
	if (kept) return kept;
	const made = new Map<string, Link[]>();
	for (const l of links.values())
		for (const id of new Set([l.a, l.b])) {
			const list = made.get(id);
			if (list) list.push(l);
			else made.set(id, [l]);
		}
	byNode.set(links, made);
	return made;
}

export function linksOf(mesh: Mesh, id: string): readonly Link[] {
	return linksByNode(mesh.links).get(id) ?? [];
}

export function otherEnd(link: Link, id: string): string {
	return link.a === id ? link.b : link.a;
}

// What an event of this node says of one of its links counts at once, before anybody is asked again.
export function withLinkState(mesh: Mesh, peer: string, state: LinkState, time: number): Mesh | null {
	const id = idOf(mesh, peer);
	const old = id === null ? undefined : mesh.links.get(linkId(mesh.self, id));
	if (id === null || !old || old.state === state) return null;
	const mine = old.a === mesh.self ? old.ab : old.ba;
	const theirs = old.a === mesh.self ? old.ba : old.ab;
	if (!mine) return null;
	// The other end has not spoken since: of a link that changed, what it said before counts no more.
	const link = makeLink(mesh.self, id, { ...mine, state }, theirs && { ...theirs, state });
	return { ...mesh, time, links: new Map(mesh.links).set(link.id, link) };
}

// The way of the least round-trip times over links that are up: computed, not measured.
export function likelyWay(mesh: Mesh, from: string, to: string): string[] | null {
	const cost = new Map<string, number>([[from, 0]]);
	const before = new Map<string, string>();
	const open = new Set([from]);
	while (open.size) {
		const at = [...open].reduce((p, q) => (cost.get(q)! < cost.get(p)! ? q : p));
		open.delete(at);
		if (at === to) break;
		for (const l of linksOf(mesh, at)) {
			const next = otherEnd(l, at);
			const c = cost.get(at)! + (l.rttMs ?? 1) + 0.1;
			if (l.state === "down" || c >= (cost.get(next) ?? Infinity)) continue;
			cost.set(next, c);
			before.set(next, at);
			open.add(next);
		}
	}
	if (!cost.has(to)) return null;
	const way = [to];
	for (let at = to; at !== from;) way.unshift((at = before.get(at)!));
	return way;
}
