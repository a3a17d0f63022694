// SPDX-License-Identifier: Apache-2.0
// The views beside the map: overview, node, path and events.
import { token } from "./api";
import { type Child, h } from "./dom";
import { bytes, clock, count, date, duration, list, millis, NONE, percent, rate } from "./format";
import { linkWords, STATE_WORDS } from "./graph";
import { avoidedNote, recentIncidents } from "./incidents";
import { likelyWay, type Link, linkName, linksOf, type Mesh, nameOf, type Node as MeshNode, otherEnd } from "./mesh";
import type { Actions, State } from "./state";
import { type Episode, episodeSentence, eventSentence, eventWeight, passes } from "./story";
import type { Peer, Route, Way } from "./types";

const TOPICS = ["peers", "links", "routes", "sessions", "security", "networks", "incidents"];
const EVENTS_SHOWN = 300;

export interface Health {
	level: "good" | "warn" | "bad";
	word: string;
	sentence: string;
}

export function healthOf(mesh: Mesh): Health {
	const nodes = [...mesh.nodes.values()];
	const missing = nodes.filter((n) => n.state === "unreachable" || n.state === "silent");
	const down = [...mesh.links.values()].filter((l) => l.state === "down");
	const weak = [...mesh.links.values()].filter((l) => (l.loss ?? 0) >= 0.01);
	if (missing.length)
		return { level: "bad", word: "Trouble", sentence: `${list(missing.map((n) => n.name))} ${missing.length === 1 ? "does" : "do"} not answer.` };
	if (down.length)
		return {
			level: "warn", word: "Degraded",
			sentence: `${count(down.length, "link is", "links are")} down; every node is reached another way.`,
		};
	if (weak.length)
		return { level: "warn", word: "Weak links", sentence: `${count(weak.length, "link loses", "links lose")} packets.` };
	return {
		level: "good", word: "Healthy",
		sentence: nodes.length === 1 ? "This node is alone so far." : `All ${nodes.length} nodes answer and no link is down.`,
	};
}

function facts(rows: [string, Child][]): HTMLElement {
	return h("dl", { class: "facts" }, rows.map(([name, value]) =>
		h("div", { "data-key": name }, h("dt", null, name), h("dd", null, value))));
}

function card(name: string, value: string, note: string, level = ""): HTMLElement {
	return h("li", { "data-key": name, class: `card ${level}` },
		h("span", { class: "card-name" }, name), h("strong", null, value), h("span", { class: "card-note" }, note));
}

function nodeButton(mesh: Mesh, id: string, does: Actions): HTMLElement {
	return h("button", { type: "button", class: "link-like", onclick: () => does.go("node", id) }, nameOf(mesh, id));
}

function stateDot(level: string): HTMLElement {
	return h("span", { class: `dot ${level}`, "aria-hidden": "true" });
}

// ---- overview ----

function episodeItem(e: Episode, now: number): HTMLElement {
	const level = e.to !== null ? "over" : e.kind === "lossy" ? "warn" : "bad";
	return h("li", { "data-key": `${e.kind}${e.key}${e.from}`, class: "story" },
		stateDot(level), h("span", null, episodeSentence(e, now)),
		h("time", { datetime: new Date(e.from).toISOString() }, clock(e.from)));
}

function cards(st: State, mesh: Mesh): HTMLElement {
	const nodes = [...mesh.nodes.values()];
	const links = [...mesh.links.values()];
	const answering = nodes.filter((n) => n.state !== "silent" && n.state !== "unreachable").length;
	const up = links.filter((l) => l.state !== "down").length;
	const slowest = links.filter((l) => l.rttMs !== null).sort((p, q) => q.rttMs! - p.rttMs!)[0];
	const sessions = st.peers.filter((p) => p.has_session);
	const hybrid = sessions.filter((p) => isPostQuantum(p)).length;
	const series = (st.summary ?? st.own.summary()).series;
	const last = (values: (number | null)[]): number | null => values.findLast((v) => v !== null) ?? null;
	return h("ul", { class: "cards" },
		card("Nodes", `${answering} of ${nodes.length}`, "answer", answering < nodes.length ? "bad" : "good"),
		card("Links", `${up} of ${links.length}`, "up", up < links.length ? "warn" : "good"),
		card("Post-quantum", `${hybrid} of ${sessions.length}`, "own sessions", hybrid < sessions.length ? "bad" : "good"),
		card("Slowest link", slowest ? millis(slowest.rttMs) : NONE,
			slowest ? linkName(mesh, slowest) : "none measured yet"),
		card("Sending", rate(last(series.sent_bps)), "this node"),
		card("Receiving", rate(last(series.received_bps)), "this node"));
}

export function overview(st: State, does: Actions): Child {
	const mesh = st.shown();
	if (!mesh) return h("p", { class: "empty" }, "Asking the daemon …");
	const now = st.now();
	const health = healthOf(mesh);
	const stories = st.chronicle.told(now).filter((e) => st.at === null || e.from <= st.at).slice(-12).reverse();
	const off = st.status?.features.filter((f) => !f.is_on) ?? [];
	return [
		h("h2", { "data-key": "title" }, st.at !== null ? `The mesh at ${clock(st.at)}` : st.connection.state === "lost" ? "The mesh, as last heard" : "The mesh now"),
		h("p", { "data-key": "health", class: `health-line ${health.level}` }, stateDot(health.level), health.sentence),
		!mesh.isComplete && h("p", { "data-key": "incomplete", class: "note" }, sentence(mesh.why || "Not all nodes have told their links yet")),
		mesh.nodes.size === 1 && h("p", { "data-key": "alone", class: "note" },
			"Another machine joins with an invitation: ", h("code", null, "x0 invite"), " here, ", h("code", null, "x0 join"), " there."),
		cards(st, mesh),
		h("h3", { "data-key": "stories-title" }, "Outages"),
		stories.length
			? h("ol", { "data-key": "stories", class: "stories" }, stories.map((e) => episodeItem(e, now)))
			: h("p", { "data-key": "no-stories", class: "empty" }, "None since this page was opened, and none of this node's own links before. All that happened is under ",
				h("button", { type: "button", class: "link-like", onclick: () => does.go("events") }, "Events"), "."),
		recentIncidents(st),
		st.status && h("details", { "data-key": "features" },
			h("summary", null, off.length ? `${count(off.length, "feature is", "features are")} off on this node` : "All features are on"),
			h("dl", { class: "facts wide" }, st.status.features.map((f) => h("div", { "data-key": f.name },
				h("dt", null, stateDot(f.is_on ? "good" : "over"), f.name),
				h("dd", null, f.is_on ? "on" : `off: ${f.why}`))))),
	];
}

function sentence(text: string): string {
	const t = text.charAt(0).toUpperCase() + text.slice(1);
	return /[.!?]$/.test(t) ? t : `${t}.`;
}

// ---- a node ----

export function isPostQuantum(p: Peer): boolean {
	return /MLKEM/i.test(p.key_exchange ?? "") && /ML-?DSA/i.test(p.signature ?? "");
}

function linkRows(mesh: Mesh, id: string, does: Actions): Child {
	const links = [...linksOf(mesh, id)].sort((p, q) => nameOf(mesh, otherEnd(p, id)).localeCompare(nameOf(mesh, otherEnd(q, id))));
	if (links.length === 0) return h("p", { class: "empty" }, "No link is known.");
	return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Links" }, h("table", null,
		h("thead", null, h("tr", null, ["To", "State", "RTT", "Loss", "Sending", "Receiving"].map((t) =>
			h("th", { scope: "col", "data-key": t, class: t === "To" || t === "State" ? "" : "n" }, t)))),
		h("tbody", null, links.map((l) => {
			const side = l.a === id ? (l.ab ?? null) : (l.ba ?? null);
			const far = l.a === id ? l.ba : l.ab;
			return h("tr", { "data-key": l.id },
				h("th", { scope: "row" }, nodeButton(mesh, otherEnd(l, id), does)),
				h("td", null, linkState(l)),
				h("td", { class: "n" }, l.state === "down" ? NONE : millis(l.rttMs)),
				h("td", { class: "n" }, l.state === "down" ? NONE : percent(l.loss)),
				h("td", { class: "n" }, rate(side?.sentBps ?? far?.receivedBps)),
				h("td", { class: "n" }, rate(side?.receivedBps ?? far?.sentBps)));
		}))));
}

function linkState(l: Link): Child {
	const word = l.state === "up" ? l.class : l.state === "suspect" ? "in doubt" : "down";
	return [stateDot(l.state === "up" ? `class-${l.class}` : l.state === "suspect" ? "warn" : "bad"), word];
}

function sessionFacts(p: Peer | undefined, isSelf: boolean): Child {
	if (isSelf) return null;
	if (!p?.has_session)
		return h("p", { "data-key": "no-session", class: "empty" }, "This node holds no session with it; one is made when there is something to send.");
	const good = isPostQuantum(p);
	return [
		h("p", { "data-key": "pq", class: `health-line ${good ? "good" : "bad"}` }, stateDot(good ? "good" : "bad"),
			good ? "Post-quantum: key agreement and identity." : "Not post-quantum."),
		facts([
			["Key exchange", p.key_exchange ?? NONE],
			["Identity", p.signature ?? NONE],
			["Cipher", p.cipher ?? NONE],
			["Key epoch", `${p.key_epoch ?? NONE}`],
			["Session age", duration((p.session_age_s ?? 0) * 1000)],
			["Certificate until", p.certificate_not_after_s ? date(p.certificate_not_after_s * 1000) : NONE],
			["Sent, received", `${bytes(p.sent_bytes)}, ${bytes(p.received_bytes)}`],
		]),
	];
}

// The last of its nodes is where it leads to.
function wayWords(p: Way): string {
	const between = p.nodes.slice(0, -1);
	return `${between.length ? `by ${between.join(", ")}` : "direct"}: ${p.share_percent} % of the traffic, ${millis(p.delay_us / 1000)}`;
}

function routeFacts(r: Route | undefined): Child {
	if (!r) return h("p", { "data-key": "no-route", class: "empty" }, "No route to it is known.");
	if (!r.is_reachable) return h("p", { "data-key": "no-route", class: "empty" }, "There is no way to it now.");
	return facts([
		["Way", r.is_direct ? "direct" : `by ${r.via}, ${count(r.hops, "hop")}`],
		["Other next hops", r.alternates.length ? list(r.alternates, 6) : "none"],
		["Metric", String(r.metric)],
		["Unchanged for", duration(r.age_s * 1000)],
		...r.paths.map((p, i): [string, Child] => [`Way ${i + 1}`, wayWords(p)]),
	]);
}

function ownRoutes(st: State, mesh: Mesh, does: Actions): Child {
	if (st.routes.length === 0) return h("p", { "data-key": "no-routes", class: "empty" }, "No other node is known yet.");
	return h("div", { "data-key": "routes", class: "scroll", tabindex: 0, role: "region", "aria-label": "Routes" }, h("table", null,
		h("thead", null, h("tr", null, ["To", "By", "Hops", "Else by"].map((t) => h("th", { scope: "col", "data-key": t, class: t === "Hops" ? "n" : "" }, t)))),
		h("tbody", null, [...st.routes].sort((p, q) => p.node.localeCompare(q.node)).map((r) => h("tr", { "data-key": r.node_id },
			h("th", { scope: "row" }, mesh.nodes.has(r.node_id) ? nodeButton(mesh, r.node_id, does) : r.node),
			h("td", null, !r.is_reachable ? "no way" : r.is_direct ? "direct" : r.via),
			h("td", { class: "n" }, r.is_reachable ? r.hops : NONE),
			h("td", null, r.alternates.length ? list(r.alternates) : NONE))))));
}

function actionsOf(st: State, n: MeshNode, does: Actions): Child {
	const button = (text: string, on: () => void, kind = ""): HTMLElement =>
		h("button", { type: "button", "data-key": text, class: kind, onclick: on }, text);
	const isAuthority = st.status?.is_authority ?? false;
	if (n.isSelf)
		return h("div", { "data-key": "actions", class: "actions" },
			button("Reload configuration", () => does.change("Reload the configuration?",
				"The daemon reads its file again. What needs a restart is told.", "POST", "/api/v1/config:reload")),
			isAuthority && button("Invite a machine", () => does.change("Make an invitation?",
				"One machine can join with it, within a day.", "POST", "/api/v1/invitations", { uses: 1 })));
	return h("div", { "data-key": "actions", class: "actions" },
		button("Trace the way", () => {
			does.path(null, n.id);
			does.go("path");
			does.trace();
		}, "primary"),
		isAuthority && button("Revoke …", () => does.change(`Revoke ${n.name}?`,
			"All its certificates count no more, at every node. It cannot be undone: it would have to join anew.", "DELETE",
			`/api/v1/nodes/${encodeURIComponent(n.name)}`), "danger"));
}

export function nodePanel(st: State, does: Actions): Child {
	const mesh = st.shown();
	const n = mesh?.nodes.get(st.node ?? mesh.self);
	if (!mesh || !n)
		return h("p", { class: "empty" }, st.node ? "This node is not known any more." : "Asking the daemon …");
	const peer = st.peers.find((p) => p.node_id === n.id);
	const level = n.state === "unreachable" ? "bad" : n.state === "silent" ? "warn" : "good";
	return [
		h("h2", { "data-key": "title" }, n.name),
		h("p", { "data-key": "state", class: `health-line ${level}` }, stateDot(level),
			n.isSelf ? "This node: the one that serves this page." : `${sentence(STATE_WORDS[n.state])}${
				n.ageMs !== null && n.state === "silent" ? ` Last heard of ${duration(n.ageMs)} ago.` : ""}`),
		facts([
			["Address", n.address ? h("code", null, n.address) : NONE],
			...(n.isSelf && st.status ? [["Identity", h("code", null, st.status.spiffe_id)] as [string, Child]] : []),
			["Version", n.version ?? NONE],
			["Up for", n.uptimeS === null ? NONE : duration(n.uptimeS * 1000)],
			...(n.isSelf && st.status ? [
				["Certificate until", date(st.status.certificate.not_after_s * 1000)] as [string, Child],
				["Authority", st.status.is_authority ? (st.status.is_authority_locked ? "yes, locked" : "yes") : "no"] as [string, Child],
			] : []),
			...(peer?.why_relayed ? [["Relayed because", peer.why_relayed] as [string, Child]] : []),
		]),
		actionsOf(st, n, does),
		h("h3", { "data-key": "links-title" }, "Links"),
		h("div", { "data-key": "links" }, linkRows(mesh, n.id, does)),
		h("h3", { "data-key": "routes-title" }, n.isSelf ? "Routes" : "The way to it from this node"),
		!n.isSelf && avoidedNote(st, n.name),
		n.isSelf ? ownRoutes(st, mesh, does) : h("div", { "data-key": "route" }, routeFacts(st.routes.find((r) => r.node_id === n.id))),
		h("h3", { "data-key": "sessions-title" }, n.isSelf ? "Sessions" : "Session with this node"),
		n.isSelf ? sessionTable(st, mesh, does) : h("div", { "data-key": "session" }, sessionFacts(peer, n.isSelf)),
	];
}

function sessionTable(st: State, mesh: Mesh, does: Actions): Child {
	const sessions = st.peers.filter((p) => p.has_session).sort((p, q) => p.node.localeCompare(q.node));
	if (sessions.length === 0) return h("p", { "data-key": "no-sessions", class: "empty" }, "None yet.");
	return h("div", { "data-key": "sessions", class: "scroll", tabindex: 0, role: "region", "aria-label": "Sessions" }, h("table", null,
		h("thead", null, h("tr", null, ["With", "Post-quantum", "Cipher", "Age"].map((t) => h("th", { scope: "col", "data-key": t, class: t === "Age" ? "n" : "" }, t)))),
		h("tbody", null, sessions.map((p) => h("tr", { "data-key": p.node_id },
			h("th", { scope: "row" }, mesh.nodes.has(p.node_id) ? nodeButton(mesh, p.node_id, does) : p.node),
			h("td", null, stateDot(isPostQuantum(p) ? "good" : "bad"), isPostQuantum(p) ? `${p.key_exchange}, ${p.signature}` : "no"),
			h("td", null, p.cipher ?? NONE),
			h("td", { class: "n" }, duration((p.session_age_s ?? 0) * 1000)))))));
}

// ---- a path ----

// The nodes on the measured way, as far as it is known; or those of the computed one.
export function wayOf(st: State): string[] {
	const mesh = st.shown();
	if (!mesh || st.tab !== "path" || !st.to) return [];
	const from = st.from ?? mesh.self;
	if (from !== mesh.self) return likelyWay(mesh, from, st.to) ?? [];
	const hops = st.trace?.target === nameOf(mesh, st.to) ? (st.trace.answer?.events ?? []) : [];
	const ids = hops.filter((e) => e.event === "hop").map((e) =>
		[...mesh.nodes.values()].find((n) => n.name === e.node || n.id === e.node)?.id);
	return [from, ...ids.filter((id): id is string => id !== undefined)];
}

function chooser(mesh: Mesh, label: string, value: string, isWanted: (n: MeshNode) => boolean, on: (id: string) => void): HTMLElement {
	const nodes = [...mesh.nodes.values()].filter(isWanted).sort((p, q) => p.name.localeCompare(q.name));
	return h("label", { "data-key": label }, label, h("select", {
		id: `path-${label.toLowerCase()}`, "data-value": value,
		onchange: (e: Event) => on((e.target as HTMLSelectElement).value),
	}, value === "" && h("option", { value: "", "data-key": "none" }, "choose a node"),
	nodes.map((n) => h("option", { value: n.id, "data-key": n.id }, n.isSelf ? `${n.name} (this node)` : n.name))));
}

function measured(st: State, mesh: Mesh, target: string): Child {
	const t = st.trace?.target === target ? st.trace : null;
	if (!t) return h("p", { "data-key": "hint", class: "empty" }, "Each node on the way is asked, and how long it takes is measured.");
	if (t.error) return h("p", { "data-key": "error", class: "problem", role: "alert" }, sentence(t.error));
	const hops = t.answer?.events ?? [];
	const slowest = Math.max(1, ...hops.map((e) => e.rtt_us ?? 0));
	const route = st.routes.find((r) => r.node === target);
	return [
		h("ol", { "data-key": "hops", class: "hops", "aria-label": "Hops" },
			h("li", { "data-key": "0", class: "hop" }, h("span", { class: "hop-name" }, nameOf(mesh, mesh.self)), h("span", { class: "hop-note n" }, "this node")),
			hops.map((e) => h("li", { "data-key": String(e.sequence), "data-hop": e.node ?? "", class: `hop ${e.event}` },
				h("span", { class: "hop-name" }, e.event === "hop" ? (e.node ?? "?") : (e.why ?? "no answer")),
				e.rtt_us !== undefined && h("meter", { min: 0, max: slowest, value: e.rtt_us, "aria-label": "round-trip time" }),
				h("span", { class: "hop-note n" }, e.rtt_us === undefined ? "" : millis(e.rtt_us / 1000))))),
		t.isRunning && h("p", { "data-key": "running", class: "empty" }, "Asking …"),
		t.answer && h("p", { "data-key": "result", class: `health-line ${t.answer.received > 0 ? "good" : "bad"}` },
			stateDot(t.answer.received > 0 ? "good" : "bad"),
			t.answer.received > 0 ? `${target} was reached over ${count(hops.filter((e) => e.event === "hop").length, "hop")}.` : `${target} was not reached.`),
		route && h("h3", { "data-key": "else" }, "If that way fails"),
		route && h("p", { "data-key": "alternates" }, route.alternates.length
			? `${list(route.alternates, 6)} ${route.alternates.length === 1 ? "takes" : "take"} over at once: ${route.alternates.length === 1 ? "a next hop" : "next hops"} known to make no circle.`
			: "No other next hop is free of circles now; a new way would be looked for."),
		route && route.paths.length > 1 && h("h3", { "data-key": "ways-title" }, "Ways in use at once"),
		route && route.paths.length > 1 && h("ul", { "data-key": "ways" },
			route.paths.map((p, i) => h("li", { "data-key": String(i) }, sentence(wayWords(p))))),
	];
}

function computed(mesh: Mesh, from: string, to: string): Child {
	const way = likelyWay(mesh, from, to);
	return [
		h("p", { "data-key": "computed", class: "note" },
			"Computed from what the nodes tell of their links, not measured: this daemon can only ask from its own node."),
		way ? h("ol", { "data-key": "likely", class: "hops" }, way.map((id) => h("li", { "data-key": id, class: "hop" },
			h("span", { class: "hop-name" }, nameOf(mesh, id)))))
			: h("p", { "data-key": "none", class: "empty" }, "No way over links that are up is known."),
	];
}

export function pathPanel(st: State, does: Actions): Child {
	const mesh = st.shown();
	if (!mesh) return h("p", { class: "empty" }, "Asking the daemon …");
	const from = st.from ?? mesh.self;
	const isOwn = from === mesh.self;
	const target = st.to ? nameOf(mesh, st.to) : "";
	return [
		h("h2", { "data-key": "title" }, "Path"),
		h("div", { "data-key": "form", class: "form-row" },
			chooser(mesh, "From", from, (n) => n.id !== st.to, (id) => does.path(id === mesh.self ? null : id, st.to)),
			chooser(mesh, "To", st.to ?? "", (n) => n.id !== from, (id) => does.path(st.from, id || null)),
			isOwn && h("button", {
				"data-key": "trace", type: "button", class: "primary", id: "trace", disabled: !st.to || (st.trace?.isRunning ?? false),
				onclick: () => does.trace(),
			}, "Trace")),
		mesh.nodes.size === 1 ? h("p", { class: "empty" }, "There is no other node yet.")
			: !st.to ? h("p", { class: "empty" }, "Choose where to: here, or on the map.")
				: isOwn ? h("div", { "data-key": "measured", "aria-live": "polite" }, measured(st, mesh, target))
					: h("div", { "data-key": "likely" }, computed(mesh, from, st.to)),
	];
}

// ---- events ----

export function eventsPanel(st: State, does: Actions): Child {
	const until = st.at;
	const mesh = st.mesh;
	// A node that was not known by name when it happened may be by now.
	const named = mesh ? st.events.map((e) => (e.peer ? { ...e, peer: nameOf(mesh, e.peer) } : e)) : st.events;
	const events = named.filter((e) => passes(e, st.filter) && (until === null || Date.parse(e.time) <= until));
	const shown = events.slice(-EVENTS_SHOWN).reverse();
	return [
		h("h2", { "data-key": "title" }, "Events"),
		h("div", { "data-key": "filters", class: "form-row" },
			h("label", { "data-key": "topic" }, "About", h("select", {
				id: "topic", "data-value": st.filter.topic, onchange: (e: Event) => does.filter({ topic: (e.target as HTMLSelectElement).value }),
			}, h("option", { value: "", "data-key": "" }, "everything"), TOPICS.map((t) => h("option", { value: t, "data-key": t }, t)))),
			h("label", { "data-key": "text", class: "grow" }, "With the words", h("input", {
				type: "search", id: "words", value: st.filter.text, autocomplete: "off", spellcheck: "false",
				oninput: (e: Event) => does.filter({ text: (e.target as HTMLInputElement).value }),
			})),
			h("label", { "data-key": "important", class: "check" }, h("input", {
				type: "checkbox", checked: st.filter.isImportant,
				onchange: (e: Event) => does.filter({ isImportant: (e.target as HTMLInputElement).checked }),
			}), "without the small ones")),
		st.hasGap && h("p", { "data-key": "gap", class: "note" }, "Some events were missed: the daemon was started again, or it keeps no more than the last 1,024."),
		h("p", { "data-key": "count", class: "quiet" }, `${count(events.length, "event")}${events.length > shown.length ? `, the last ${shown.length} are shown` : ""}`),
		shown.length
			? h("ol", { "data-key": "list", class: "events" }, shown.map((e) => h("li", { "data-key": String(e.seq), class: eventWeight(e) },
				h("time", { datetime: e.time }, clock(Date.parse(e.time))), stateDot(weightDot(eventWeight(e))),
				h("span", null, eventSentence(e)))))
			: h("p", { "data-key": "none", class: "empty" }, st.events.length ? "Nothing passes the filter." : "Nothing has happened yet."),
	];
}

function weightDot(weight: string): string {
	return weight === "quiet" ? "over" : weight;
}

// ---- the table, which has what the map has ----

export function meshTable(st: State, does: Actions): Child {
	const mesh = st.shown();
	if (!mesh) return null;
	const nodes = [...mesh.nodes.values()].sort((p, q) => p.name.localeCompare(q.name));
	const links = [...mesh.links.values()].sort((p, q) => linkName(mesh, p).localeCompare(linkName(mesh, q)));
	return [
		h("table", { "data-key": "nodes" }, h("caption", null, "Nodes"),
			h("thead", null, h("tr", null, ["Node", "State", "Way", "Links up"].map((t) => h("th", { scope: "col", "data-key": t, class: t === "Links up" ? "n" : "" }, t)))),
			h("tbody", null, nodes.map((n) => h("tr", { "data-key": n.id },
				h("th", { scope: "row" }, nodeButton(mesh, n.id, does)),
				h("td", null, stateDot(n.state === "unreachable" ? "bad" : n.state === "silent" ? "warn" : "good"), STATE_WORDS[n.state]),
				h("td", null, n.isSelf || n.nextHop === null ? NONE : n.nextHop === n.id ? "direct" : `by ${nameOf(mesh, n.nextHop)}, ${count(n.hops ?? 0, "hop")}`),
				h("td", { class: "n" }, linksOf(mesh, n.id).filter((l) => l.state !== "down").length))))),
		h("table", { "data-key": "links" }, h("caption", null, "Links"),
			h("thead", null, h("tr", null, h("th", { scope: "col" }, "Link"), h("th", { scope: "col" }, "State"))),
			h("tbody", null, links.map((l) => h("tr", { "data-key": l.id },
				h("th", { scope: "row" }, linkName(mesh, l)),
				h("td", null, stateDot(l.state === "up" ? `class-${l.class}` : l.state === "suspect" ? "warn" : "bad"), linkWords(l)))))),
	];
}

export function tokenNote(): string {
	return token() ? "Changes are allowed with the token of this tab." : "Only looking: to change something the token is asked for.";
}
