// SPDX-License-Identifier: Apache-2.0
// The map of the mesh: an SVG drawn anew from the mesh, places that stay, and the keys and pointers on it.
import { s, show } from "./dom";
import { millis, percent, rate } from "./format";
import { arrange, fit, type Frame, fromText, type Place, toText } from "./layout";
import { type Link, linkName, linksOf, type Mesh, type Node, otherEnd } from "./mesh";

const KEPT = "x0.places";
const LABELS_MAX = 30; // links, beyond which only those of the chosen node are labelled
const NAMES_FROM = 0.7; // smaller nodes are named where they are chosen or in trouble
const PATIENCE_MS = 1500;
const ZOOM_MIN = 0.4;
const ZOOM_MAX = 4;

export const STATE_WORDS: Record<Node["state"], string> = {
	self: "this node",
	answers: "answers",
	asked: "being asked",
	silent: "silent",
	unreachable: "not reachable",
};

export function trafficWidth(bps: number): number {
	return Math.min(10, 1.8 + 1.25 * Math.max(0, Math.log10(Math.max(1, bps) / 1000)));
}

export function linkWords(l: Link): string {
	if (l.state === "down") return "down";
	const parts = [l.state === "suspect" ? "in doubt" : l.class];
	if (l.rttMs !== null) parts.push(millis(l.rttMs));
	if (l.loss) parts.push(`${percent(l.loss)} lost`);
	if (l.bps > 0) parts.push(rate(l.bps));
	return parts.join(", ");
}

interface Drag {
	id: string | null; // null: the map itself
	x: number;
	y: number;
	hasMoved: boolean;
}

export class Graph {
	private places = fromText(localStorage.getItem(KEPT));
	private readonly svg: SVGSVGElement;
	private frame: Frame = { width: 800, height: 500, zoom: 1, panX: 0, panY: 0 };
	private mesh: Mesh | null = null;
	private chosen: string | null = null;
	private way: string[] = [];
	private atKeys: string | null = null; // which node the Tab key reaches
	private project: (p: Place) => Place = (p) => p;
	private drag: Drag | null = null;
	private hasDrawn = false;
	private isGuess = false; // the places: not all links were known
	private size = 1; // of nodes: less where there are many
	private readonly began = Date.now();

	constructor(host: HTMLElement, private readonly onChoose: (id: string) => void) {
		this.svg = s("svg", { class: "map", role: "group", "aria-label": "Map of the mesh" });
		host.append(this.svg);
		new ResizeObserver(() => {
			const { width, height } = host.getBoundingClientRect();
			if (width < 10 || height < 10) return;
			this.frame = { ...this.frame, width, height };
			this.draw();
		}).observe(host);
		this.listen();
	}

	update(mesh: Mesh, chosen: string | null, way: string[]): void {
		if (this.mesh === mesh && this.chosen === chosen && this.way.join() === way.join() && this.hasDrawn) return;
		this.mesh = mesh;
		this.chosen = chosen;
		this.way = way;
		// Where the others have not told their links yet a place is a guess, and is not kept.
		const isEarly = [...mesh.nodes.values()].some((n) => n.state === "asked" && (this.isGuess || !this.places.has(n.id)));
		if (isEarly && Date.now() - this.began < PATIENCE_MS) return;
		if (isEarly && this.places.size === 0) this.isGuess = true;
		const before = this.places;
		this.places = arrange(mesh, this.isGuess && !isEarly ? new Map<string, Place>() : this.places);
		if (!isEarly) this.isGuess = false;
		if (this.places !== before && !this.isGuess) this.keep();
		this.draw();
	}

	zoom(factor: number): void {
		const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, this.frame.zoom * factor));
		const k = zoom / this.frame.zoom;
		this.frame = { ...this.frame, zoom, panX: this.frame.panX * k, panY: this.frame.panY * k };
		this.draw();
	}

	reset(): void {
		this.frame = { ...this.frame, zoom: 1, panX: 0, panY: 0 };
		this.draw();
	}

	// All places anew, for who does not like them.
	rearrange(): void {
		this.places = new Map();
		if (this.mesh) this.places = arrange(this.mesh, this.places);
		this.keep();
		this.reset();
	}

	private keep(): void {
		this.isGuess = false; // moved by hand they are as wanted
		try {
			localStorage.setItem(KEPT, toText(this.places));
		} catch {
			// Full or forbidden: the next visit arranges anew.
		}
	}

	// ---- drawing ----

	private draw(): void {
		const mesh = this.mesh;
		if (!mesh || mesh.nodes.size === 0 || this.places.size === 0) return;
		this.hasDrawn = true;
		const ids = [...mesh.nodes.keys()];
		// While one is dragged, the others stand still: the frame is that of the beginning.
		if (!this.drag?.id) this.project = fit(ids.map((id) => this.places.get(id)!), this.frame);
		if (!this.atKeys || !mesh.nodes.has(this.atKeys)) this.atKeys = this.chosen ?? mesh.self;
		const { width, height, zoom } = this.frame;
		this.size = Math.min(1, Math.max(0.25, (Math.sqrt((width * height) / ids.length) * zoom) / 105));
		this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
		this.svg.setAttribute(
			"aria-label",
			`Map of the mesh: ${mesh.nodes.size} nodes, ${mesh.links.size} links. Arrow keys go from node to node. The table has the same.`,
		);
		const links = [...mesh.links.values()].sort((p, q) => (p.id < q.id ? -1 : 1));
		show(
			this.svg,
			s("g", { "data-key": "links" }, links.map((l) => this.drawLink(mesh, l))),
			s("g", { "data-key": "labels", class: "labels", "aria-hidden": "true" },
				this.placeLabels(mesh, links.filter((l) => this.isLabelled(l, links.length)))),
			s("g", { "data-key": "nodes" }, ids.map((id) => this.drawNode(mesh, mesh.nodes.get(id)!))),
		);
	}

	private at(id: string): Place {
		return this.project(this.places.get(id) ?? [0, 0]);
	}

	private isLabelled(l: Link, n: number): boolean {
		return (l.state === "down" && this.size > NAMES_FROM) || n <= LABELS_MAX || l.a === this.chosen || l.b === this.chosen;
	}

	private isOnWay(l: Link): boolean {
		return this.way.some((id, i) => {
			const next = this.way[i + 1];
			return next !== undefined && ((l.a === id && l.b === next) || (l.b === id && l.a === next));
		});
	}

	private drawLink(mesh: Mesh, l: Link): SVGElement {
		const [x1, y1] = this.at(l.a);
		const [x2, y2] = this.at(l.b);
		const ends = { x1, y1, x2, y2 };
		const kind = l.state === "up" ? `class-${l.class}` : `state-${l.state}`;
		return s("g", { "data-key": l.id, "data-link": l.id, class: "link" },
			this.isOnWay(l) && s("line", { "data-key": "way", class: "way", ...ends }),
			s("line", {
				"data-key": "line", class: `line ${kind}`, ...ends,
				"stroke-width": ((l.state === "down" ? 2 : trafficWidth(l.bps)) * Math.sqrt(this.size)).toFixed(1),
			}),
			s("line", { "data-key": "hit", class: "hit", ...ends },
				s("title", null, `${linkName(mesh, l)}: ${linkWords(l)}`)),
		);
	}

	// Each in the middle of its link, or a little aside where another label or a node is.
	private placeLabels(mesh: Mesh, links: Link[]): SVGElement[] {
		const taken = [...mesh.nodes.keys()].flatMap((id): Place[] => {
			const [x, y] = this.at(id);
			return [[x, y], [x, y + 32]];
		});
		return links.map((l) => {
			const [x1, y1] = this.at(l.a);
			const [x2, y2] = this.at(l.b);
			const spots = [0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73].map((t): Place => [x1 + (x2 - x1) * t, y1 + (y2 - y1) * t]);
			const spot = spots.find(([x, y]) => taken.every(([tx, ty]) => Math.abs(tx - x) > 62 || Math.abs(ty - y) > 21)) ?? spots[0]!;
			taken.push(spot);
			return this.drawLabel(l, spot);
		});
	}

	private drawLabel(l: Link, [x, y]: Place): SVGElement {
		const text = l.state === "down" ? "down" : l.state === "suspect" ? "in doubt" : millis(l.rttMs);
		const loss = l.state === "up" && l.loss && l.loss >= 0.01 ? ` · ${percent(l.loss)}` : "";
		const width = 10 + 6.6 * (text.length + loss.length);
		return s("g", {
			"data-key": l.id, class: `label ${l.state === "up" ? "" : l.state}`,
			transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
		},
		s("rect", { x: -width / 2, y: -9, width, height: 18, rx: 9 }),
		s("text", { y: 4 }, text + loss));
	}

	private drawNode(mesh: Mesh, n: Node): SVGElement {
		const [x, y] = this.at(n.id);
		const links = linksOf(mesh, n.id).filter((l) => l.state !== "down").length;
		const isChosen = n.id === this.chosen;
		return s("g", {
			"data-key": n.id, "data-node": n.id, class: `node ${n.state}${isChosen ? " chosen" : ""}`,
			transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, role: "button",
			tabindex: n.id === this.atKeys ? 0 : -1, "aria-pressed": String(isChosen),
			"aria-label": `${n.name}, ${STATE_WORDS[n.state]}, ${links === 1 ? "1 link" : `${links} links`} up`,
		},
		s("g", { "data-key": "sign", transform: `scale(${this.size.toFixed(2)})` },
			s("circle", { class: "halo", r: 26 }),
			s("circle", { class: "body", r: 17 }),
			n.state === "unreachable" && s("path", { "data-key": "x", class: "mark", d: "M-6-6 6 6M6-6-6 6" }),
			n.state === "silent" && s("path", { "data-key": "s", class: "mark", d: "M-7 0H7" }),
			n.state === "answers" && s("path", { "data-key": "a", class: "mark", d: "M-7 0-2 5 7-5" }),
			n.state === "self" && s("circle", { "data-key": "o", class: "mark spot", r: 6 })),
		(this.size > NAMES_FROM || isChosen || n.state !== "answers") && s("text", {
			"data-key": "name", y: (19 + 17 * this.size).toFixed(0), class: "name",
		}, n.name.length > 18 ? `${n.name.slice(0, 17)}…` : n.name),
		s("title", null, `${n.name}: ${STATE_WORDS[n.state]}`));
	}

	// ---- keys and pointers ----

	private nodeOf(target: EventTarget | null): string | null {
		return target instanceof Element ? (target.closest("[data-node]")?.getAttribute("data-node") ?? null) : null;
	}

	private focus(id: string): void {
		this.atKeys = id;
		this.draw();
		for (const e of this.svg.querySelectorAll<SVGElement>("[data-node]"))
			if (e.getAttribute("data-node") === id) e.focus();
	}

	// The nearest node in this direction; neighbours count as twice as near.
	private neighbourTowards(id: string, dx: number, dy: number): string | null {
		const mesh = this.mesh;
		if (!mesh) return null;
		const [x, y] = this.at(id);
		const near = new Set(linksOf(mesh, id).map((l) => otherEnd(l, id)));
		let best: string | null = null;
		let least = Infinity;
		for (const other of mesh.nodes.keys()) {
			const [ox, oy] = this.at(other);
			const along = (ox - x) * dx + (oy - y) * dy;
			const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
			if (other === id || along <= 1) continue;
			const cost = (along + 2 * aside) * (near.has(other) ? 0.5 : 1);
			if (cost < least) [best, least] = [other, cost];
		}
		return best;
	}

	private onKey(e: KeyboardEvent): void {
		const id = this.nodeOf(e.target);
		const directions: Record<string, [number, number]> = {
			ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
		};
		const direction = directions[e.key];
		if (id && direction) {
			const next = this.neighbourTowards(id, ...direction);
			if (next) this.focus(next);
		} else if (id && (e.key === "Enter" || e.key === " ")) {
			this.onChoose(id);
		} else if (e.key === "+" || e.key === "-") {
			this.zoom(e.key === "+" ? 1.25 : 0.8);
		} else if (e.key === "0") {
			this.reset();
		} else {
			return;
		}
		e.preventDefault();
	}

	private onMove(e: PointerEvent): void {
		const d = this.drag;
		if (!d) return;
		const [dx, dy] = [e.clientX - d.x, e.clientY - d.y];
		if (!d.hasMoved && Math.hypot(dx, dy) < 5) return;
		d.hasMoved = true;
		d.x = e.clientX;
		d.y = e.clientY;
		if (d.id) {
			const place = this.places.get(d.id)!;
			const [x0, y0] = this.project([0, 0]);
			const [x1, y1] = this.project([1, 1]);
			this.places.set(d.id, [place[0] + dx / (x1 - x0), place[1] + dy / (y1 - y0)]);
		} else {
			this.frame = { ...this.frame, panX: this.frame.panX + dx, panY: this.frame.panY + dy };
		}
		this.draw();
	}

	private onDrop(e: PointerEvent): void {
		const d = this.drag;
		this.drag = null;
		if (!d) return;
		if (this.svg.hasPointerCapture(e.pointerId)) this.svg.releasePointerCapture(e.pointerId);
		if (d.id && !d.hasMoved) this.onChoose(d.id);
		if (d.id && d.hasMoved) {
			const [x, y] = this.places.get(d.id)!;
			this.places.set(d.id, [Math.round(x), Math.round(y)]);
			this.keep();
			this.draw();
		}
	}

	private listen(): void {
		this.svg.addEventListener("keydown", (e) => this.onKey(e));
		this.svg.addEventListener("focusin", (e) => {
			const id = this.nodeOf(e.target);
			if (id && id !== this.atKeys) {
				this.atKeys = id;
				this.draw();
			}
		});
		this.svg.addEventListener("pointerdown", (e) => {
			if (e.button !== 0) return;
			this.drag = { id: this.nodeOf(e.target), x: e.clientX, y: e.clientY, hasMoved: false };
			this.svg.setPointerCapture(e.pointerId);
		});
		this.svg.addEventListener("pointermove", (e) => this.onMove(e));
		this.svg.addEventListener("pointerup", (e) => this.onDrop(e));
		this.svg.addEventListener("pointercancel", () => (this.drag = null));
		this.svg.addEventListener("wheel", (e) => {
			if (!e.ctrlKey && !e.metaKey) return; // else the page could not be scrolled past the map
			e.preventDefault();
			this.zoom(e.deltaY < 0 ? 1.15 : 1 / 1.15);
		}, { passive: false });
	}
}
