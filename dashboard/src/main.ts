// SPDX-License-Identifier: Apache-2.0
// The page: asks, keeps what it was told, and shows it.
import { ask, Problem, setToken, token } from "./api";
import { askToken, change } from "./dialogs";
import { byId, h, s, show } from "./dom";
import { count, duration, placeOf } from "./format";
import { Graph } from "./graph";
import { Live, moved } from "./live";
import { isIncluded } from "./healing";
import { incidentsPanel } from "./incidents";
import { CLASSES, fromOwn, fromTopology, idOf, type Mesh, nameOf, withLinkState } from "./mesh";
import { eventsPanel, healthOf, meshTable, nodePanel, overview, pathPanel, tokenNote, wayOf } from "./panels";
import { type Actions, proofKey, State, type Tab, type Trace } from "./state";
import { Timeline } from "./timeline";
import { TrafficView } from "./traffic";
import type { Incident, IncidentLedger, LinkState, MeshEvent, Peer, Route, Status, Summary, Topology, TraceAnswer } from "./types";

const EVENTS_KEPT = 4000;
const CLOCKS_DIFFER_MS = 1500; // less may be the time that an answer took
const MESH_EACH_MS = 2000;
const STATUS_EACH_MS = 10000;
const FRESH_MS = 6000; // until then nodes that were just asked may still answer
const PROOFS_KEPT = 500;
const SOON_MS = 60; // several events of one moment are one question
const TABS: [Tab, string][] = [
	["overview", "Overview"], ["node", "Node"], ["path", "Path"], ["traffic", "Traffic"], ["incidents", "Incidents"],
	["events", "Events"],
];

const st = new State();
let hasTopology = true;
let hasSummary = true;
let lookingSince = Date.now();

// ---- asking ----

// One question of a kind at a time; what comes up meanwhile is asked once more afterwards.
class Question {
	private isUnderWay = false;
	private isWanted = false;

	constructor(private readonly what: () => Promise<void>) {}

	async ask(): Promise<void> {
		if (this.isUnderWay) {
			this.isWanted = true;
			return;
		}
		this.isUnderWay = true;
		try {
			await this.what();
			st.trouble = "";
			st.needsToken = false;
		} catch (e) {
			if (e instanceof Problem && e.status === 401) st.needsToken = true;
			else st.trouble = e instanceof Problem && e.status === 0 ? "" : (e as Error).message;
		}
		this.isUnderWay = false;
		render();
		if (this.isWanted) {
			this.isWanted = false;
			void this.ask();
		}
	}
}

// What the daemon saw before the page was opened, once both it and the mesh are known.
let isRecalled = false;
function recall(): void {
	if (isRecalled || !st.mesh || st.connection.state === "connecting") return;
	isRecalled = true;
	st.chronicle.recall(st.mesh, st.events);
}

// The daemon may be on another machine, with another clock; what it told before is moved too.
function adjustClock(aheadMs: number): void {
	if (!(Math.abs(aheadMs - st.aheadMs) > CLOCKS_DIFFER_MS)) return;
	const by = aheadMs - st.aheadMs;
	st.aheadMs = aheadMs;
	st.events = st.events.map((e) => moved(e, by));
}

function take(mesh: Mesh): void {
	st.mesh = mesh;
	recall();
	st.history.add(mesh);
	st.chronicle.observe(mesh);
}

async function optional<T>(path: string): Promise<T | null> {
	try {
		return await ask<T>(path);
	} catch (e) {
		if (e instanceof Problem && (e.status === 403 || e.status === 404)) return null;
		throw e;
	}
}

const meshQuestion = new Question(async () => {
	const [peers, routes] = await Promise.all([ask<Peer[]>("/api/v1/peers"), ask<Route[]>("/api/v1/routes")]);
	st.peers = peers;
	st.routes = routes;
	st.own.add(peers, Date.now());
	const topology = hasTopology ? await optional<Topology>("/api/v1/topology") : null;
	hasTopology = topology !== null;
	// The page's clock counts, for what happened when: events and pictures have to be in one order.
	if (topology) adjustClock(Date.now() - Date.parse(topology.time));
	if (topology) take({ ...fromTopology(topology, Date.now() - lookingSince < FRESH_MS), time: Date.now() });
	else if (st.status) take(fromOwn(st.status, peers, routes, Date.now()));
});

const statusQuestion = new Question(async () => {
	st.status = await ask<Status>("/api/v1/status");
});

const summaryQuestion = new Question(async () => {
	const summary = hasSummary ? await optional<Summary>("/api/v1/metrics/summary?seconds=600") : null;
	hasSummary = summary !== null;
	st.summary = summary;
});

// ---- incidents ----

// What is not known is said where it would be shown, and not as trouble of the whole page.
async function orWhy<T>(path: string, why: (text: string) => void): Promise<T | null> {
	try {
		const answer = await ask<T>(path);
		why("");
		return answer;
	} catch (e) {
		if (e instanceof Problem && (e.status === 0 || e.status === 401)) throw e;
		why((e as Error).message);
		return null;
	}
}

async function checkProofs(ledger: IncidentLedger): Promise<void> {
	for (const e of ledger.entries) {
		if (!e.proof || st.proofs.has(proofKey(e))) continue;
		if (st.proofs.size >= PROOFS_KEPT) st.proofs.clear();
		st.proofs.set(proofKey(e), globalThis.crypto?.subtle ? "checking" : "cannot");
		if (!globalThis.crypto?.subtle) continue;
		st.proofs.set(proofKey(e), (await isIncluded(e.text, e.index, e.proof)) ? "holds" : "fails");
	}
}

const incidentsQuestion = new Question(async () => {
	st.incidents = await orWhy<Incident[]>("/api/v1/incidents?limit=100", (why) => (st.incidentsWhy = why));
});

const incidentQuestion = new Question(async () => {
	const id = st.incident;
	if (!id) return;
	const path = `/api/v1/incidents/${encodeURIComponent(id)}`;
	const one = await orWhy<Incident>(path, (why) => (st.oneWhy = why));
	// Each entry comes with a state of its own: what is proved is not asked for again, which costs the daemon.
	const isKnown = one !== null && st.one?.id === id && st.one.state === one.state && st.ledger?.entries.every((e) => e.proof);
	const ledger = isKnown ? st.ledger : one && await orWhy<IncidentLedger>(`${path}/ledger`, (why) => (st.ledgerWhy = why));
	if (id !== st.incident) return; // another one is looked at by now
	st.one = one;
	st.ledger = ledger;
	if (ledger) await checkProofs(ledger);
});

let incidentsSoon = 0;
function askIncidentsSoon(): void {
	incidentsSoon ||= window.setTimeout(() => {
		incidentsSoon = 0;
		void incidentsQuestion.ask();
		void incidentQuestion.ask();
	}, SOON_MS);
}

let soon = 0;
function askSoon(): void {
	if (soon) return;
	soon = window.setTimeout(() => {
		soon = 0;
		void meshQuestion.ask();
	}, SOON_MS);
}

// ---- events ----

// A doubt is over in milliseconds, one way or the other: it is not drawn for itself.
const LINK_STATES: Record<string, LinkState> = { link_up: "up", link_trusted: "up", link_down: "down" };

// What the daemon told while the page was not listening is no news of the mesh.
function onEvent(told: MeshEvent, isNew: boolean): void {
	const e = moved(told, st.aheadMs);
	if (e.topic !== "topology") {
		st.events.push(e);
		if (st.events.length > EVENTS_KEPT) st.events.shift();
	}
	const state = LINK_STATES[e.event];
	const mesh = state && st.mesh && e.peer && isNew ? withLinkState(st.mesh, e.peer, state, Date.now()) : null;
	if (mesh) take(mesh);
	if (isNew && e.topic === "incidents") askIncidentsSoon();
	else if (isNew) askSoon();
	render();
}

const live = new Live({
	event: onEvent,
	gap: (missed) => {
		lookingSince = Date.now();
		st.hasGap ||= missed;
		hasTopology = hasSummary = true; // the daemon may be another one
		void statusQuestion.ask();
		void summaryQuestion.ask();
		askIncidentsSoon();
		askSoon();
	},
	refused: () => {
		st.needsToken = true;
		render();
	},
	connection: (c) => {
		st.connection = c;
		recall();
		render();
	},
});

// ---- what the user does ----

function toHash(): string {
	if (st.tab === "node" && st.node) return `#/node/${encodeURIComponent(st.node)}`;
	if (st.tab === "path" && st.to) return `#/path/${encodeURIComponent(st.to)}`;
	if (st.tab === "incidents" && st.incident) return `#/incidents/${encodeURIComponent(st.incident)}`;
	return st.tab === "overview" ? "#/" : `#/${st.tab}`;
}

function fromHash(): void {
	const { tab, id: chosen } = placeOf(location.hash);
	st.tab = TABS.find(([name]) => name === tab)?.[0] ?? "overview";
	if (st.tab === "node") st.node = chosen;
	if (st.tab === "path" && chosen) st.to = chosen;
	if (st.tab === "incidents" && st.incident !== chosen) {
		st.incident = chosen;
		st.one = st.ledger = null;
		st.oneWhy = st.ledgerWhy = "";
		void incidentQuestion.ask();
	}
	render();
}

const does: Actions = {
	go(tab, node) {
		st.tab = tab;
		if (node !== undefined) st.node = node;
		if (location.hash !== toHash()) location.hash = toHash();
		render();
	},
	path(from, to) {
		st.from = from;
		st.to = to;
		st.trace = null;
		if (st.tab === "path") history.replaceState(null, "", toHash());
		render();
	},
	trace() {
		const to = st.to && st.mesh ? nameOf(st.mesh, st.to) : null;
		if (!to || st.from) return;
		const trace: Trace = { target: to, isRunning: true, answer: null, error: "" };
		st.trace = trace;
		ask<TraceAnswer>(`/api/v1/trace/${encodeURIComponent(to)}?count=32&interval_ms=500`, "GET", undefined, 22000)
			.then((answer) => (trace.answer = answer), (e: unknown) => (trace.error = (e as Error).message))
			.finally(() => {
				trace.isRunning = false;
				render();
			});
		render();
	},
	filter(f) {
		st.filter = { ...st.filter, ...f };
		render();
	},
	askToken() {
		askToken(st.status?.api.token_file ?? "", () => {
			hasTopology = hasSummary = true; // who has it may see more
			live.again();
			void statusQuestion.ask();
			askIncidentsSoon();
			askSoon();
		});
	},
	forgetToken() {
		setToken("");
		live.again();
	},
	change(title, detail, method, path, body) {
		change({ title, detail, method, path, body }, st.status?.api.token_file ?? "", () => {
			void statusQuestion.ask();
			askSoon();
		});
	},
	again() {
		live.again();
	},
};

// ---- light and dark ----

const THEME = "x0.theme";
const THEMES = ["auto", "light", "dark"];

function theme(): string {
	const kept = localStorage.getItem(THEME) ?? "auto";
	return THEMES.includes(kept) ? kept : "auto";
}

function setTheme(name: string): void {
	localStorage.setItem(THEME, name);
	document.documentElement.dataset["theme"] = name;
	traffic.again();
	render();
}

// ---- showing ----

const traffic = new TrafficView();
const timeline = new Timeline(byId("timeline"), (time) => {
	st.at = time;
	render();
});
const graph = new Graph(byId("map"), (id) => {
	if (st.tab === "path" && st.mesh && id !== (st.from ?? st.mesh.self)) does.path(st.from, id);
	else does.go("node", id);
});

function connectionPill(): HTMLElement {
	const c = st.connection;
	const words = c.state === "live" ? ["good", "Live"]
		: c.state === "asking" ? ["good", "Live, asked each second"]
			: c.state === "connecting" ? ["over", "Connecting"] : ["bad", "Connection lost"];
	return h("span", { id: "connection", class: `pill ${words[0]}`, role: "status", title: c.state === "asking" ? c.why : null },
		h("span", { class: `dot ${words[0]}`, "aria-hidden": "true" }), words[1]);
}

function renderTop(): void {
	const health = st.mesh && st.connection.state !== "lost" ? healthOf(st.mesh) : null; // not of what was last heard
	show(byId("top"),
		h("div", { "data-key": "brand", class: "brand" },
			h("img", { src: "/dashboard/icon.svg", alt: "", width: 28, height: 28 }),
			h("h1", null, st.status ? st.status.name : "x0", h("span", null, st.status ? st.status.domain : ""))),
		h("div", { "data-key": "pills", class: "pills" },
			health && h("span", { "data-key": "health", id: "health", class: `pill ${health.level}`, role: "status" },
				h("span", { class: `dot ${health.level}`, "aria-hidden": "true" }), health.word),
			connectionPill()),
		h("div", { "data-key": "tools", class: "tools" },
			h("button", {
				"data-key": "token", type: "button", class: "small", title: tokenNote(),
				onclick: () => (token() ? does.forgetToken() : does.askToken()),
			}, token() ? "Forget token" : "Token"),
			h("label", { "data-key": "theme", class: "inline" }, h("span", { class: "hidden" }, "Colours"), h("select", {
				class: "small", "data-value": theme(), onchange: (e: Event) => setTheme((e.target as HTMLSelectElement).value),
			}, THEMES.map((t) => h("option", { value: t, "data-key": t }, t))))));
	document.title = `${health && health.level !== "good" ? `${health.word} – ` : ""}${st.status?.name ?? "x0"} – mesh`;
}

function renderBanner(): void {
	const c = st.connection;
	const banner = byId("banner");
	if (st.needsToken)
		show(banner, h("p", { class: "bad" }, "This daemon shows itself only to who has its token. ",
			h("button", { type: "button", class: "small", onclick: () => does.askToken() }, "Enter the token")));
	else if (c.state === "lost" && Date.now() - c.since > 400)
		show(banner, h("p", { class: "bad" }, "Connection lost: what is shown is from then. ",
			h("span", { "aria-live": "off" }, // what counts seconds is not read out each second
				`That was ${duration(Date.now() - c.since)} ago. ${
					c.nextTry > Date.now() ? `Next try in ${Math.ceil((c.nextTry - Date.now()) / 1000)} s.` : "Trying …"} `),
		h("button", { type: "button", class: "small", onclick: () => does.again() }, "Try now")));
	else if (st.trouble) show(banner, h("p", { class: "warn" }, `The daemon says: ${st.trouble}`));
	else show(banner);
}

function sample(kind: string): SVGElement {
	return s("svg", { viewBox: "0 0 30 10", width: 30, height: 10, "aria-hidden": "true" },
		s("line", { class: `line ${kind}`, x1: 1, y1: 5, x2: 29, y2: 5, "stroke-width": 3 }));
}

function renderLegend(): void {
	show(byId("legend"),
		h("ul", { "aria-label": "Legend" },
			CLASSES.map((c) => h("li", { "data-key": c }, sample(`class-${c}`), c === "fair" ? "fair, or little used" : c)),
			h("li", { "data-key": "suspect" }, sample("state-suspect"), "in doubt"),
			h("li", { "data-key": "down" }, sample("state-down"), "down"),
			h("li", { "data-key": "width", class: "quiet" }, "thicker: more traffic")));
}

function renderMeshHead(mesh: Mesh | null): void {
	const button = (text: string, label: string, on: () => void): HTMLElement =>
		h("button", { type: "button", "data-key": label, class: "small square", "aria-label": label, title: label, onclick: on }, text);
	show(byId("mesh-head"),
		h("h2", { "data-key": "title", id: "mesh-title" }, "Mesh",
			h("span", { class: "quiet" }, mesh ? `${count(mesh.nodes.size, "node")}, ${count(mesh.links.size, "link")}` : "")),
		h("div", { "data-key": "tools", class: "tools" },
			!st.isTable && [
				button("−", "Smaller", () => graph.zoom(0.8)), button("+", "Larger", () => graph.zoom(1.25)),
				button("⤢", "Fit all in", () => graph.reset()), button("↻", "Arrange anew", () => graph.rearrange()),
			],
			h("button", {
				type: "button", "data-key": "table", id: "as-table", class: "small", "aria-pressed": String(st.isTable),
				onclick: () => {
					st.isTable = !st.isTable;
					render();
				},
			}, "Table")));
}

function renderPanel(): void {
	const panel = byId("panel");
	switch (st.tab) {
	case "overview": return show(panel, overview(st, does));
	case "node": return show(panel, nodePanel(st, does));
	case "path": return show(panel, pathPanel(st, does));
	case "incidents": return show(panel, incidentsPanel(st));
	case "events": return show(panel, eventsPanel(st, does));
	case "traffic":
		show(panel, h("h2", { "data-key": "title" }, "Traffic"), panel.contains(traffic.element)
			? h("div", { "data-key": "plots", class: "plots", "data-foreign": true }) : traffic.element);
		return traffic.update(st);
	}
}

function renderAll(): void {
	const mesh = st.shown();
	renderTop();
	renderBanner();
	renderMeshHead(mesh);
	renderLegend();
	byId("map").hidden = st.isTable;
	byId("table").hidden = !st.isTable;
	document.body.classList.toggle("is-past", st.at !== null);
	document.body.classList.toggle("is-lost", st.connection.state === "lost");
	if (st.isTable) show(byId("table"), meshTable(st, does));
	else if (mesh) graph.update(mesh, st.tab === "node" ? (st.node ?? mesh.self) : st.tab === "path" ? st.to : null, wayOf(st));
	timeline.update({
		now: Date.now(), at: st.at, begins: st.history.begins(), episodes: st.chronicle.told(Date.now()), events: st.events,
	});
	show(byId("tabs"), h("ul", null, TABS.map(([name, text]) => h("li", { "data-key": name },
		h("a", { href: name === "overview" ? "#/" : `#/${name}`, "aria-current": st.tab === name ? "page" : null }, text)))));
	renderPanel();
}

let isDue = false;
function render(): void {
	if (isDue) return;
	isDue = true;
	requestAnimationFrame(() => {
		isDue = false;
		renderAll();
	});
}

// ---- beginning ----

function each(ms: number, what: () => void): void {
	setInterval(() => {
		if (!document.hidden && st.connection.state !== "lost") what();
	}, ms);
}

document.documentElement.dataset["theme"] = theme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => traffic.again());
document.addEventListener("visibilitychange", () => {
	if (document.hidden) return;
	lookingSince = Date.now(); // nobody may have looked meanwhile
	void meshQuestion.ask();
	void summaryQuestion.ask();
});
addEventListener("hashchange", () => {
	// The link that was followed is gone from the panel: the keyboard goes on at its beginning.
	if (byId("panel").contains(document.activeElement)) byId("panel").focus({ preventScroll: true });
	fromHash();
	byId("panel").scrollTop = 0;
});
fromHash();
void statusQuestion.ask().then(() => {
	// A name in the address, for links written by hand.
	if (st.mesh && st.node) st.node = idOf(st.mesh, st.node) ?? st.node;
});
void meshQuestion.ask();
void summaryQuestion.ask();
void incidentsQuestion.ask();
void live.begin();
each(MESH_EACH_MS, () => {
	void meshQuestion.ask();
	void summaryQuestion.ask();
	// Its evidence grows without an event; one that there is not is asked for less often.
	if (st.tab === "incidents" && !st.oneWhy) void incidentQuestion.ask();
});
each(STATUS_EACH_MS, () => {
	void statusQuestion.ask();
	void incidentsQuestion.ask();
	if (st.tab === "incidents" && st.oneWhy) void incidentQuestion.ask();
});
setInterval(render, 1000); // times go on
