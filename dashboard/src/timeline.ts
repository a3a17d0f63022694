// SPDX-License-Identifier: Apache-2.0
// The last minutes as a strip: outages as bars, events as ticks, and a slider to go back with.
import { h, s, show } from "./dom";
import { clock, count, duration } from "./format";
import { type Episode, episodeSentence, eventWeight } from "./story";
import type { MeshEvent } from "./types";

const SPANS: [number, string][] = [[300, "5 min"], [900, "15 min"], [3600, "1 h"]];
const WIDTH = 1000;
const HEIGHT = 44;
const LANES = 4;

// In which of a few rows each bar is drawn, so that those of one time lie beside each other.
export function lanes(bars: { from: number; to: number }[], n: number): number[] {
	const ends = Array<number>(n).fill(-Infinity);
	return bars.map((b) => {
		let lane = ends.findIndex((end) => end <= b.from);
		if (lane < 0) lane = ends.indexOf(Math.min(...ends));
		ends[lane] = Math.max(ends[lane]!, b.to);
		return lane;
	});
}

export interface TimelineState {
	now: number;
	at: number | null; // null: live
	begins: number | null; // of what is known
	episodes: Episode[];
	events: MeshEvent[];
}

export class Timeline {
	private spanS = 300;

	constructor(private readonly host: HTMLElement, private readonly onGo: (time: number | null) => void) {}

	update(t: TimelineState): void {
		const from = t.now - this.spanS * 1000;
		const x = (time: number): number => ((Math.max(from, Math.min(t.now, time)) - from) / (t.now - from)) * WIDTH;
		const shown = t.episodes.filter((e) => (e.to ?? t.now) > from);
		const bars = shown.map((e) => ({ from: x(e.from), to: Math.max(x(e.to ?? t.now), x(e.from) + 3) }));
		const rows = lanes(bars, LANES);
		const ticks = t.events.filter((e) => eventWeight(e) !== "quiet" && Date.parse(e.time) > from).slice(-400);
		const secondsBack = t.at === null ? 0 : Math.round((t.now - t.at) / 1000);
		show(
			this.host,
			h("div", { "data-key": "head", class: "timeline-head" },
				h("h2", { id: "timeline-title" }, "Timeline"),
				h("p", { class: "timeline-at" },
					t.at === null ? "Live" : `${clock(t.at)}, ${duration(t.now - t.at)} ago`),
				h("button", {
					"data-key": "live", type: "button", class: "small", disabled: t.at === null,
					onclick: () => this.onGo(null),
				}, "Back to live"),
				h("select", {
					"data-key": "span", "aria-label": "How far back", "data-value": String(this.spanS), class: "small",
					onchange: (e: Event) => {
						this.spanS = Number((e.target as HTMLSelectElement).value);
						this.update(t);
					},
				}, SPANS.map(([value, name]) => h("option", { value, "data-key": String(value) }, name)))),
			h("div", { "data-key": "strip", class: "timeline-strip" },
				s("svg", {
					viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
					"aria-label": `The last ${duration(this.spanS * 1000)}: ${count(shown.length, "outage")}, ${count(ticks.length, "event")}`,
				},
				t.begins !== null && t.begins > from && s("rect", {
					"data-key": "unknown", class: "unknown", x: 0, y: 0, width: x(t.begins), height: HEIGHT,
				}, s("title", null, "Before this page was opened: only this node's own events are known.")),
				ticks.map((e) => s("rect", {
					"data-key": `e${e.seq}`, class: `tick ${eventWeight(e)}`, x: x(Date.parse(e.time)).toFixed(1), y: 36,
					width: 2.5, height: 8,
				})),
				shown.map((e, i) => s("rect", {
					"data-key": `o${e.kind}${e.key}${e.from}`, class: `bar ${e.kind}`, x: bars[i]!.from.toFixed(1),
					y: 3 + rows[i]! * 8, width: (bars[i]!.to - bars[i]!.from).toFixed(1), height: 6,
				}, s("title", null, episodeSentence(e, t.now)))),
				t.at !== null && s("line", { "data-key": "at", class: "at", x1: x(t.at), x2: x(t.at), y1: 0, y2: HEIGHT })),
				h("input", {
					"data-key": "slider", type: "range", min: -this.spanS, max: 0, step: 1, value: -secondsBack,
					"aria-label": "Time to look at",
					"aria-valuetext": t.at === null ? "live" : `${clock(t.at)}, ${duration(t.now - t.at)} ago`,
					oninput: (e: Event) => {
						const back = Number((e.target as HTMLInputElement).value);
						this.onGo(back >= 0 ? null : Date.now() + back * 1000);
					},
				})),
			h("div", { "data-key": "scale", class: "timeline-scale", "aria-hidden": "true" },
				h("span", null, clock(from)), h("span", null, clock(from + this.spanS * 500)), h("span", null, "now")),
		);
	}
}
