// SPDX-License-Identifier: Apache-2.0
// Values over time where the daemon keeps none: put together from the peers, since the page was opened.
import type { Peer, Summary } from "./types";

const KEPT = 600;

interface Sample {
	time: number; // s
	sent: number | null;
	received: number | null;
	rtt: Map<string, number>;
	loss: Map<string, number>;
}

export class OwnSeries {
	private samples: Sample[] = [];
	private before: { timeMs: number; sent: number; received: number } | null = null;

	add(peers: Peer[], nowMs: number): void {
		const sent = peers.reduce((sum, p) => sum + p.sent_bytes, 0);
		const received = peers.reduce((sum, p) => sum + p.received_bytes, 0);
		const b = this.before;
		const s = b ? (nowMs - b.timeMs) / 1000 : 0;
		if (b && s < 0.5) return;
		// Counters that went back belong to a daemon that was started again.
		const isGood = b !== null && sent >= b.sent && received >= b.received;
		const up = peers.filter((p) => p.is_neighbour && p.state !== "down");
		this.samples.push({
			time: Math.round(nowMs / 1000),
			sent: isGood ? ((sent - b.sent) * 8) / s : null,
			received: isGood ? ((received - b.received) * 8) / s : null,
			rtt: new Map(up.filter((p) => p.rtt_us).map((p) => [p.node_id, p.rtt_us! / 1000])),
			loss: new Map(up.filter((p) => p.loss_ppm !== undefined).map((p) => [p.node_id, p.loss_ppm! / 1e6])),
		});
		if (this.samples.length > KEPT) this.samples.shift();
		this.before = { timeMs: nowMs, sent, received };
	}

	times(): number[] {
		return this.samples.map((s) => s.time);
	}

	summary(): Summary {
		const by = (of: (s: Sample) => Map<string, number>): Record<string, (number | null)[]> => {
			const ids = new Set(this.samples.flatMap((s) => [...of(s).keys()]));
			return Object.fromEntries([...ids].map((id) => [id, this.samples.map((s) => of(s).get(id) ?? null)]));
		};
		return {
			interval_s: 1,
			newest: this.samples[this.samples.length - 1]?.time ?? 0,
			series: {
				sent_bps: this.samples.map((s) => s.sent),
				received_bps: this.samples.map((s) => s.received),
				rtt_ms: by((s) => s.rtt),
				loss: by((s) => s.loss),
			},
		};
	}
}

export function timesOf(s: Summary): number[] {
	const n = s.series.sent_bps.length;
	return Array.from({ length: n }, (_, i) => s.newest - (n - 1 - i) * s.interval_s);
}
