// SPDX-License-Identifier: Apache-2.0
// Where nodes are drawn. Who has a place keeps it; newcomers find one beside their neighbours.
import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY } from "d3-force";
import type { SimulationLinkDatum, SimulationNodeDatum } from "d3-force";
import { linksOf, type Mesh, otherEnd } from "./mesh";

export type Place = [x: number, y: number];

interface Body extends SimulationNodeDatum {
	id: string;
}

const DISTANCE = 120;
const STARTS = 24; // tries of which the clearest is taken, where nobody has a place yet
const STARTS_NODES_MAX = 60;
const REMEMBERED_MAX = 5000;

function startOf(id: string, i: number, n: number, places: Map<string, Place>, mesh: Mesh): Place {
	const near = linksOf(mesh, id)
		.map((l) => places.get(otherEnd(l, id)))
		.filter((p): p is Place => p !== undefined);
	const angle = (2 * Math.PI * i) / Math.max(1, n);
	if (near.length === 0) return [Math.cos(angle) * DISTANCE, Math.sin(angle) * DISTANCE];
	const x = near.reduce((sum, p) => sum + p[0], 0) / near.length;
	const y = near.reduce((sum, p) => sum + p[1], 0) / near.length;
	return [x + Math.cos(angle) * DISTANCE * 0.6, y + Math.sin(angle) * DISTANCE * 0.6];
}

function side(p: Place, q: Place, r: Place): number {
	return Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
}

function distance(p: Place, a: Place, b: Place): number {
	const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
	const t = Math.max(0, Math.min(1, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy || 1)));
	return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}

// How hard a picture is to read: links that cross, and nodes that lie on a link of others.
export function muddle(mesh: Mesh, places: Map<string, Place>): number {
	const links = [...mesh.links.values()].map((l) => ({ ...l, p: places.get(l.a)!, q: places.get(l.b)! }));
	let sum = 0;
	for (const [i, l] of links.entries()) {
		for (const m of links.slice(i + 1)) {
			if (l.a === m.a || l.a === m.b || l.b === m.a || l.b === m.b) continue;
			if (side(l.p, l.q, m.p) !== side(l.p, l.q, m.q) && side(m.p, m.q, l.p) !== side(m.p, m.q, l.q)) sum += 1;
		}
		for (const [id, place] of places)
			if (id !== l.a && id !== l.b && distance(place, l.p, l.q) < 40) sum += 2;
	}
	return sum;
}

// Another order around the circle that it begins with, the same for the same number.
function shuffled(ids: string[], seed: number): string[] {
	const order = [...ids];
	let x = seed * 2654435761 >>> 0;
	for (let i = order.length - 1; i > 0; i--) {
		x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
		const k = (x >>> 8) % (i + 1);
		[order[i], order[k]] = [order[k]!, order[i]!];
	}
	return order;
}

// Places for all of the mesh; those given are not moved. The same mesh gives the same picture.
export function arrange(mesh: Mesh, known: Map<string, Place>): Map<string, Place> {
	const ids = [...mesh.nodes.keys()].sort();
	const fresh = ids.filter((id) => !known.has(id));
	if (fresh.length === 0) return known;
	let best = settle(mesh, known, ids, fresh);
	if (fresh.length < ids.length || ids.length > STARTS_NODES_MAX) return best;
	let least = muddle(mesh, best);
	for (let start = 1; start < STARTS && least > 0; start++) {
		const other = settle(mesh, known, ids, shuffled(ids, start));
		const count = muddle(mesh, other);
		if (count < least) [best, least] = [other, count];
	}
	return best;
}

function settle(mesh: Mesh, known: Map<string, Place>, ids: string[], fresh: string[]): Map<string, Place> {
	const bodies: Body[] = ids.map((id) => {
		const place = known.get(id);
		if (place) return { id, x: place[0], y: place[1], fx: place[0], fy: place[1] };
		const [x, y] = startOf(id, fresh.indexOf(id), fresh.length, known, mesh);
		return { id, x, y };
	});
	const links: SimulationLinkDatum<Body>[] = [...mesh.links.values()].map((l) => ({ source: l.a, target: l.b }));
	const simulation = forceSimulation(bodies)
		.force("link", forceLink<Body, SimulationLinkDatum<Body>>(links).id((b) => b.id).distance(DISTANCE))
		.force("charge", forceManyBody().strength(-420).distanceMax(900))
		.force("apart", forceCollide(44))
		.force("x", forceX(0).strength(0.04))
		.force("y", forceY(0).strength(0.06))
		.stop();
	simulation.tick(ids.length > 400 ? 120 : 300);
	const places = new Map(known);
	// Whole numbers, as they are remembered: so the picture is the same after a reload.
	for (const b of bodies) places.set(b.id, [Math.round(b.x ?? 0), Math.round(b.y ?? 0)]);
	return places;
}

// ---- remembering ----

export function toText(places: Map<string, Place>): string {
	const rows = [...places].slice(-REMEMBERED_MAX);
	return JSON.stringify(Object.fromEntries(rows.map(([id, p]) => [id, p.map(Math.round)])));
}

export function fromText(text: string | null): Map<string, Place> {
	const places = new Map<string, Place>();
	try {
		for (const [id, p] of Object.entries(JSON.parse(text ?? "{}") as Record<string, unknown>))
			if (Array.isArray(p) && p.length === 2 && p.every((v) => typeof v === "number" && Number.isFinite(v)))
				places.set(id, p as Place);
	} catch {
		// What cannot be read is not remembered.
	}
	return places;
}

// ---- from places to pixels ----

export interface Frame {
	width: number;
	height: number;
	zoom: number;
	panX: number;
	panY: number;
}

// Fits all into the frame. A mesh has no true directions: it may be drawn wider than it is high.
export function fit(places: Place[], frame: Frame): (p: Place) => Place {
	const padX = Math.min(90, frame.width * 0.16);
	const padY = Math.min(64, frame.height * 0.16);
	const xs = places.map((p) => p[0]);
	const ys = places.map((p) => p[1]);
	const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
	let kx = (frame.width - 2 * padX) / Math.max(1, right - left);
	let ky = (frame.height - 2 * padY) / Math.max(1, bottom - top);
	const least = Math.min(kx, ky);
	kx = Math.min(kx, least * 1.7, 2.4) * frame.zoom;
	ky = Math.min(ky, least * 1.7, 2.4) * frame.zoom;
	const [cx, cy] = [(left + right) / 2, (top + bottom) / 2];
	return ([x, y]) => [
		frame.width / 2 + frame.panX + (x - cx) * kx,
		frame.height / 2 + frame.panY + (y - cy) * ky,
	];
}
