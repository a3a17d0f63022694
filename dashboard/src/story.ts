// SPDX-License-Identifier: Apache-2.0
// What happened, in plain words: outages put together from how the mesh was seen, and single events.
import { count, duration, list, percent } from "./format";
import { idOf, type Link, linkId, type Mesh, nameOf } from "./mesh";
import type { MeshEvent } from "./types";

export type EpisodeKind = "down" | "lossy" | "unreachable";

export interface Episode {
	key: string; // of the link or node
	kind: EpisodeKind;
	ends: string[]; // names: two of a link, one of a node
	ownEnd: string | null; // the far end, where this node has the other
	from: number;
	to: number | null; // null: it lasts
	peakLoss: number;
	moved: Map<string, string>; // name of a destination to the name of its new next hop
}

const LOSSY = 0.01; // from this loss on a link is said to lose
const CLEAN = 0.005;
const MOVED_WITHIN_MS = 5000; // a way that changes this soon after a fault is taken to be due to it
const EPISODES_MAX = 500;
const HISTORY_MAX = 2400; // pictures
const HISTORY_THINGS_MAX = 200_000; // nodes and links in all of them: some 50 MB
const BLINK_MS = 3000; // loss for a shorter time is not worth a line
const AGAIN_MS = 2000; // within which it is the same outage
const QUIET_MS = 5000; // unchanged pictures are kept this far apart

// ---- outages ----

export class Chronicle {
	episodes: Episode[] = [];
	private last: Mesh | null = null;

	open(): Episode[] {
		return this.episodes.filter((e) => e.to === null);
	}

	// Those worth telling.
	told(now: number): Episode[] {
		return this.episodes.filter((e) => e.kind !== "lossy" || (e.to ?? now) - e.from >= BLINK_MS);
	}

	// Outages of this node's own links from events of before the first picture.
	recall(mesh: Mesh, events: MeshEvent[]): void {
		const recalled: Episode[] = [];
		for (const e of events) {
			const id = e.peer ? idOf(mesh, e.peer) : null;
			const time = Date.parse(e.time);
			if (id === null || time >= mesh.time) continue;
			const open = recalled.find((r) => r.to === null && r.key === linkId(mesh.self, id));
			if (open && e.event === "link_up") open.to = time;
			if (open || e.event !== "link_down") continue;
			recalled.push({ key: linkId(mesh.self, id), kind: "down", ends: [nameOf(mesh, mesh.self), nameOf(mesh, id)],
				ownEnd: nameOf(mesh, id), from: time, to: null, peakLoss: 0, moved: new Map() });
		}
		for (const r of recalled.filter((r) => r.to === null)) {
			const now = this.find(r.kind, r.key);
			if (now) now.from = Math.min(now.from, r.from); // it lasts since then
		}
		this.episodes = [...recalled.filter((r) => r.to !== null), ...this.episodes].slice(-EPISODES_MAX);
	}

	observe(mesh: Mesh): void {
		if (this.last && mesh.time < this.last.time) return;
		for (const link of mesh.links.values()) this.observeLink(mesh, link);
		for (const node of mesh.nodes.values()) {
			const was = this.last?.nodes.get(node.id)?.state;
			const gone = node.state === "unreachable";
			// One never reached since the page was opened is a state, and no event.
			if (gone && was && was !== "unreachable")
				this.begin("unreachable", node.id, [node.name], null, mesh.time);
			if (!gone) this.end("unreachable", node.id, mesh.time);
		}
		this.noteMoves(mesh);
		this.last = mesh;
	}

	private observeLink(mesh: Mesh, link: Link): void {
		const names = [nameOf(mesh, link.a), nameOf(mesh, link.b)].sort();
		const own = link.a === mesh.self ? nameOf(mesh, link.b) : link.b === mesh.self ? nameOf(mesh, link.a) : null;
		if (link.state === "down") this.begin("down", link.id, names, own, mesh.time);
		else this.end("down", link.id, mesh.time);
		const loss = link.state === "down" ? 0 : (link.loss ?? 0);
		if (loss >= LOSSY) this.begin("lossy", link.id, names, own, mesh.time);
		const lossy = this.find("lossy", link.id);
		if (lossy) lossy.peakLoss = Math.max(lossy.peakLoss, loss);
		if (loss < CLEAN) this.end("lossy", link.id, mesh.time);
	}

	private find(kind: EpisodeKind, key: string): Episode | undefined {
		return this.episodes.find((e) => e.to === null && e.kind === kind && e.key === key);
	}

	private begin(kind: EpisodeKind, key: string, ends: string[], ownEnd: string | null, from: number): void {
		if (this.find(kind, key)) return;
		// What one end has told already and the other not yet is one outage, and so is a link that flaps.
		const last = this.episodes.findLast((e) => e.kind === kind && e.key === key);
		if (last?.to != null && from - last.to < AGAIN_MS) {
			last.to = null;
			return;
		}
		if (this.episodes.length >= EPISODES_MAX) {
			// One that lasts would be found anew at once, as if it had just begun.
			const over = this.episodes.findIndex((e) => e.to !== null);
			if (over < 0) return;
			this.episodes.splice(over, 1);
		}
		this.episodes.push({ key, kind, ends, ownEnd, from, to: null, peakLoss: 0, moved: new Map() });
	}

	private end(kind: EpisodeKind, key: string, to: number): void {
		const e = this.find(kind, key);
		if (e) e.to = to;
	}

	private noteMoves(mesh: Mesh): void {
		for (const node of mesh.nodes.values()) {
			const was = this.last?.nodes.get(node.id)?.nextHop;
			if (!was || !node.nextHop || was === node.nextHop) continue;
			for (const e of this.episodes) {
				// Only a link of ours that was the way: other links' faults have other consequences.
				if (e.to === null && e.ownEnd === nameOf(mesh, was) && mesh.time - e.from < MOVED_WITHIN_MS)
					e.moved.set(node.name, nameOf(mesh, node.nextHop));
			}
		}
	}
}

function subject(e: Episode): string {
	if (e.kind === "unreachable") return e.ends[0] ?? "A node";
	return e.ownEnd ? `Link to ${e.ownEnd}` : `Link ${e.ends.join(" – ")}`;
}

function movedWords(e: Episode): string {
	const hops = [...new Set(e.moved.values())];
	if (e.moved.size === 0) return "";
	return `; traffic to ${list([...e.moved.keys()].sort((p, q) => p.localeCompare(q)))} moved to the way by ${list(hops)}`;
}

export function episodeSentence(e: Episode, now: number): string {
	const time = duration((e.to ?? now) - e.from);
	const lasts = e.to === null;
	switch (e.kind) {
	case "down":
		return `${subject(e)} ${lasts ? "has been" : "was"} down for ${time}${movedWords(e)}.`;
	case "lossy":
		return `${subject(e)} ${lasts ? "has lost" : "lost"} up to ${percent(e.peakLoss)} for ${time}${movedWords(e)}.`;
	case "unreachable":
		return `${subject(e)} ${lasts ? "has not been" : "could not be"} reached for ${time}.`;
	}
}

// ---- pictures to go back to ----

function looks(mesh: Mesh): string {
	const nodes = [...mesh.nodes.values()].map((n) => `${n.id}${n.state}${n.nextHop}`);
	const links = [...mesh.links.values()].map((l) => `${l.id}${l.state}${l.class}`);
	return nodes.concat(links).join();
}

export class History {
	private pictures: Mesh[] = [];
	private things = 0;
	private lastLooks = "";

	add(mesh: Mesh): void {
		const last = this.pictures[this.pictures.length - 1];
		const now = looks(mesh);
		if (last && mesh.time < last.time) return;
		if (last && now === this.lastLooks && mesh.time - last.time < QUIET_MS) return;
		this.lastLooks = now;
		this.pictures.push(mesh);
		this.things += mesh.nodes.size + mesh.links.size;
		while (this.pictures.length > HISTORY_MAX || (this.things > HISTORY_THINGS_MAX && this.pictures.length > 1)) {
			const oldest = this.pictures.shift()!;
			this.things -= oldest.nodes.size + oldest.links.size;
		}
	}

	begins(): number | null {
		return this.pictures[0]?.time ?? null;
	}

	// The last picture not after this time, or the first there is.
	at(time: number): Mesh | null {
		let low = 0;
		let high = this.pictures.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.pictures[middle]!.time <= time) low = middle + 1;
			else high = middle;
		}
		return this.pictures[Math.max(0, low - 1)] ?? null;
	}
}

// ---- single events ----

export type Weight = "quiet" | "good" | "warn" | "bad";

const SENTENCES: Record<string, [Weight, (who: string, e: MeshEvent) => string]> = {
	peer_up: ["good", (who) => `Session with ${who}: encrypted from end to end`],
	peer_down: ["warn", (who) => `The session with ${who} ended`],
	link_up: ["good", (who, e) => `Link to ${who} is up${e.endpoint ? `, at ${e.endpoint}` : ""}`],
	link_suspect: ["quiet", (who) => `Link to ${who} is in doubt: it was silent for a moment`],
	link_trusted: ["quiet", (who) => `Link to ${who} is in no doubt any more`],
	link_down: ["bad", (who) => `Link to ${who} is down`],
	route_changed: ["quiet", (who, e) => e.hops
		? `The way to ${who} changed: ${count(e.hops, "hop")}${e.metric ? `, metric ${e.metric}` : ""}`
		: `The way to ${who} changed`],
	handshake_failed: ["warn", (who) => `A handshake with ${who} failed`],
	spoofed_inner: ["bad", (who) => `${who} sent a packet with an address that is not its own; it was dropped`],
	spoofed_tun: ["bad", () => "A packet of this host had an address that is not this node's; it was dropped"],
	flow_denied: ["warn", (who) => `The policy stopped a flow of ${who}`],
	peer_moved: ["quiet", (who, e) => `${who} has moved${e.endpoint ? ` to ${e.endpoint}` : ""}`],
	peer_revoked: ["warn", (who) => `The certificate of ${who} was revoked`],
	peer_cloned: ["bad", (who) => `${who} seems to run twice, or was restored from an old copy`],
	rekeyed: ["quiet", (who) => `New keys with ${who}`],
	goodbye: ["quiet", (who) => `${who} said goodbye`],
	network_key: ["quiet", () => "The network key changed"],
	peer_life: ["quiet", (who) => `What is known of ${who} changed`],
	networks: ["quiet", () => "Networks behind nodes changed"],
	neighbour_doubted: ["bad", (who) => `${who} is doubted: what is handed to it does not arrive; traffic avoids it`],
	neighbour_believed: ["good", (who) => `${who} is believed again: what is handed to it arrives`],
	route_lie: ["bad", (who) => `${who} claimed a way that its proof does not bear out`],
	incident_opened: ["bad", (who) => `An incident was opened at ${who}`],
	incident_changed: ["quiet", (who) => `The incident at ${who} changed`],
	incident_escalated: ["bad", (who) => `A person was told of the incident at ${who}`],
	incident_over: ["good", (who) => `The incident at ${who} is healed, or over`],
	topology_changed: ["quiet", () => "The picture of the mesh changed"],
};

export function eventWeight(e: MeshEvent): Weight {
	return SENTENCES[e.event]?.[0] ?? "quiet";
}

export function eventSentence(e: MeshEvent): string {
	const who = e.peer || "somebody";
	const known = SENTENCES[e.event];
	const text = known ? known[1](who, e) : `${e.event.replace(/_/g, " ")}${e.peer ? `: ${e.peer}` : ""}`;
	return e.why ? `${text} (${e.why})` : text;
}

export interface Filter {
	topic: string; // "" for all
	text: string;
	isImportant: boolean; // without the quiet ones
}

export function passes(e: MeshEvent, f: Filter): boolean {
	if (f.topic && e.topic !== f.topic) return false;
	if (f.isImportant && eventWeight(e) === "quiet") return false;
	return !f.text || `${eventSentence(e)} ${e.peer ?? ""} ${e.event}`.toLowerCase().includes(f.text.toLowerCase());
}
