// SPDX-License-Identifier: Apache-2.0
// Plots over time, by uPlot, in the colours of the page.
import uPlot from "uplot";
import { h } from "./dom";
import { clock } from "./format";

export interface Line {
	name: string;
	values: (number | null)[];
}

export interface Picture {
	title: string;
	times: number[]; // Unix seconds
	lines: Line[];
	format(value: number | null | undefined): string;
	tick?(value: number): string; // of the axis, where it is another
	isBinary?: boolean; // steps of 1024 at the axis
}

const HEIGHT = 168;
const LINES_MAX = 8;
const BINARY_STEPS = Array.from({ length: 24 }, (_, i) => 2 ** (i + 10)).concat(2 ** 36, 2 ** 40);

function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Plot {
	readonly element: HTMLElement;
	private readonly host: HTMLElement;
	private plot: uPlot | null = null;
	private made = "";
	private last: Picture | null = null;

	constructor(title: string) {
		this.host = h("div", { class: "plot-host", role: "img", "aria-label": title });
		this.element = h("section", { class: "plot" }, h("h3", null, title), this.host);
		new ResizeObserver(() => {
			if (this.plot && this.host.clientWidth > 0)
				this.plot.setSize({ width: this.host.clientWidth, height: HEIGHT });
			else if (this.last) this.update(this.last);
		}).observe(this.host);
	}

	// In other colours.
	again(): void {
		this.made = "";
		if (this.last) this.update(this.last);
	}

	update(p: Picture): void {
		this.last = p;
		if (this.host.clientWidth === 0) return; // not shown: drawn when it is
		const lines = p.lines.slice(0, LINES_MAX);
		const data = [p.times, ...lines.map((l) => l.values)] as uPlot.AlignedData;
		const shape = JSON.stringify([p.title, lines.map((l) => l.name)]);
		this.host.setAttribute("aria-label", this.inWords(p, lines));
		if (this.plot && this.made === shape) {
			this.plot.setData(data);
		} else {
			this.plot?.destroy();
			this.made = shape;
			this.plot = new uPlot(this.options(p, lines), data, this.host);
		}
		// Where nobody points at a time, the values are those of now.
		if ((this.plot.cursor.left ?? -1) < 0) this.plot.setLegend({ idx: p.times.length - 1 });
	}

	private inWords(p: Picture, lines: Line[]): string {
		const now = lines.map((l) => `${l.name} ${p.format(l.values.findLast((v) => v !== null))}`);
		return `${p.title}. Now: ${now.join(", ") || "nothing"}`;
	}

	private options(p: Picture, lines: Line[]): uPlot.Options {
		const ink = colour("--ink-soft");
		const grid = { stroke: colour("--grid"), width: 1 };
		const font = '12px system-ui, "Segoe UI", sans-serif';
		return {
			width: this.host.clientWidth,
			height: HEIGHT,
			cursor: { points: { size: 7 }, drag: { setScale: false, x: false, y: false }, sync: { key: "x0" } },
			legend: { live: true },
			scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
			axes: [
				{ stroke: ink, grid, ticks: grid, font, space: 76, values: (_u, ticks) => ticks.map((t) => clock(t * 1000)) },
				{
					stroke: ink, grid, ticks: grid, font, size: 88,
					values: (_u, ticks) => ticks.map((v) => p.tick?.(v) ?? p.format(v)),
					...(p.isBinary ? { incrs: BINARY_STEPS } : {}),
				},
			],
			series: [
				{ value: (_u, v) => (v == null ? "–" : clock(v * 1000)), label: "Time" },
				...lines.map((l, i) => ({
					label: l.name,
					stroke: colour(`--line-${i + 1}`),
					width: 1.75,
					dash: i < 4 ? [] : [6, 4],
					points: { show: false },
					value: (_u: uPlot, v: number | null) => p.format(v),
				})),
			],
		};
	}
}
