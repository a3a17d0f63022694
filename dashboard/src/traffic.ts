// SPDX-License-Identifier: Apache-2.0
// The view with the plots, which are made once and then only given new values.
import { h, show } from "./dom";
import { bytes, count, duration, millis, percent, percentTick, rate } from "./format";
import { nameOf } from "./mesh";
import { type Line, Plot } from "./plots";
import { timesOf } from "./series";
import type { State } from "./state";

export class TrafficView {
	private readonly throughput = new Plot("Throughput of this node");
	private readonly rtt = new Plot("Round-trip time of its links");
	private readonly loss = new Plot("Loss on its links");
	private readonly cpu = new Plot("Processor time of the daemon");
	private readonly memory = new Plot("Memory of the daemon");
	private readonly note = h("p", { class: "quiet" });
	readonly element = h("div", { class: "plots", "data-key": "plots", "data-foreign": true }, this.note,
		this.throughput.element, this.rtt.element, this.loss.element, this.cpu.element, this.memory.element);

	again(): void {
		for (const p of [this.throughput, this.rtt, this.loss, this.cpu, this.memory]) p.again();
	}

	update(st: State): void {
		const kept = st.summary ?? st.own.summary();
		const times = timesOf(kept);
		const { series } = kept;
		const nameOfLink = (id: string): string => (st.mesh ? nameOf(st.mesh, id) : id);
		const byLink = (of: Record<string, (number | null)[]>): Line[] => Object.entries(of)
			.map(([id, values]) => ({ name: nameOfLink(id), values })).sort((p, q) => p.name.localeCompare(q.name));
		const span = duration(Math.max(0, times.length - 1) * kept.interval_s * 1000);
		show(this.note, times.length < 2 ? "The first values come in a moment."
			: st.summary ? `The last ${span}, a value each ${kept.interval_s === 1 ? "second" : count(kept.interval_s, "second")}.`
				: `The last ${span}: this daemon keeps no values, so they begin when the page was opened.`);
		this.throughput.update({ title: "Throughput of this node", times, format: rate,
			lines: [{ name: "sending", values: series.sent_bps }, { name: "receiving", values: series.received_bps }] });
		this.rtt.update({ title: "Round-trip time of its links", times, format: millis, lines: byLink(series.rtt_ms) });
		this.loss.update({ title: "Loss on its links", times, format: percent, tick: percentTick, lines: byLink(series.loss) });
		this.cpu.element.hidden = !series.cpu;
		this.memory.element.hidden = !series.memory_bytes;
		if (series.cpu)
			this.cpu.update({ title: "Processor time of the daemon", times, format: percent, tick: percentTick, lines: [{ name: "of one processor", values: series.cpu }] });
		if (series.memory_bytes)
			this.memory.update({ title: "Memory of the daemon", times, format: bytes, isBinary: true, lines: [{ name: "resident", values: series.memory_bytes }] });
	}
}
