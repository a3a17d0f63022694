// SPDX-License-Identifier: Apache-2.0
// Events as they happen: a WebSocket that goes on, after a break, with the number where it stopped.
import { ask, Problem, setToken, token } from "./api";
import type { EventList, Hello, MeshEvent } from "./types";

export type Connection =
	| { state: "connecting" }
	| { state: "live" }
	| { state: "asking"; why: string } // no WebSocket can be had: asked for once a second
	| { state: "lost"; since: number; nextTry: number };

// By their names: who follows `topology` makes the node ask the others for their links.
export const TOPICS = ["peers", "links", "routes", "sessions", "security", "networks", "topology", "incidents"];

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 10000;
const SILENCE_MS = 8000; // without a word the socket may be dead: the daemon is asked by HTTP
const PLAIN_EACH_MS = 1000;

// How long until the nth try, with some of it by chance so that many pages do not come at once.
export function backOff(tries: number, chance: number): number {
	const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, 10));
	return most / 2 + (most / 2) * chance;
}

// With the time that another clock shows.
export function moved(e: MeshEvent, byMs: number): MeshEvent {
	const time = Date.parse(e.time) + byMs;
	return byMs === 0 || Number.isNaN(time) ? e : { ...e, time: new Date(time).toISOString() };
}

export interface Listener {
	event(e: MeshEvent, isNew: boolean): void; // old: from before the page listened
	gap(missed: boolean): void; // connected anew; missed: events were lost meanwhile
	connection(c: Connection): void;
	refused(): void; // a token is needed, or another one
}

export class Live {
	private next: number | null = null;
	private socket: WebSocket | null = null;
	private tries = 0;
	private timer = 0;
	private lostSince: number | null = null;
	private heard = 0;
	private newFrom = 0; // the number of the first event that is news
	private asked = ""; // the token that was asked with
	private turn = 0; // of trying: what an earlier one still waits for counts no more

	constructor(private readonly to: Listener) {
		addEventListener("online", () => this.again());
		document.addEventListener("visibilitychange", () => {
			if (!document.hidden && !this.socket) this.again();
		});
		setInterval(() => this.watch(), SILENCE_MS / 2);
	}

	// What happened before, then what happens.
	async begin(): Promise<void> {
		this.to.connection(this.lostSince === null ? { state: "connecting" } : this.lost(Date.now()));
		const turn = ++this.turn;
		try {
			if (this.next === null) await this.read("limit=1000", turn);
		} catch (e) {
			if (turn === this.turn) this.failed(e);
			return;
		}
		if (turn === this.turn) this.connect(turn);
	}

	// A token of a daemon that was started again since: without it one may look, or is asked for the new one.
	private failed(e: unknown): void {
		if (e instanceof Problem && e.status === 401 && this.asked === token()) {
			if (token()) setToken("");
			else this.to.refused();
		}
		this.retry();
	}

	private async read(query: string, turn: number): Promise<void> {
		this.asked = token();
		const list = await ask<EventList>(`/api/v1/events?${query}`);
		if (turn !== this.turn) return;
		const missed = this.next !== null && list.oldest > this.next;
		if (this.next === null || this.lostSince !== null) this.newFrom = list.next;
		for (const e of list.events) this.take(e);
		this.next = list.next;
		if (missed) this.to.gap(true);
	}

	private take(e: MeshEvent): void {
		if (this.next !== null && e.seq < this.next) return; // had already
		this.next = e.seq + 1;
		this.to.event(e, e.seq >= this.newFrom);
	}

	private connect(turn: number): void {
		if (token()) {
			void this.askInstead("a browser cannot send the token over a WebSocket", turn);
			return;
		}
		const scheme = location.protocol === "https:" ? "wss" : "ws";
		const socket = new WebSocket(`${scheme}://${location.host}/ws?since=${this.next ?? 0}&topics=${TOPICS.join(",")}`);
		this.socket = socket;
		socket.onmessage = (m) => this.message(String(m.data));
		socket.onclose = () => {
			if (this.socket !== socket) return;
			this.socket = null;
			this.retry();
		};
	}

	private message(text: string): void {
		this.heard = Date.now();
		const m = JSON.parse(text) as Hello | MeshEvent;
		if (m.type === "event") {
			this.take(m);
			return;
		}
		if (m.type !== "hello") return;
		if (m.is_gap || m.begins < (this.next ?? 0)) this.next = m.begins; // another daemon, or too late
		this.newFrom = m.next;
		this.tries = 0;
		this.lostSince = null;
		this.to.gap(m.is_gap);
		this.to.connection({ state: "live" });
	}

	private async askInstead(why: string, turn: number): Promise<void> {
		try {
			await this.read(`since=${this.next ?? 0}&limit=1000`, turn);
		} catch (e) {
			if (turn === this.turn) this.failed(e);
			return;
		}
		if (turn !== this.turn) return;
		if (this.lostSince !== null) this.to.gap(false);
		this.lostSince = null;
		this.tries = 0;
		this.to.connection({ state: "asking", why });
		this.timer = window.setTimeout(() => void this.askInstead(why, turn), PLAIN_EACH_MS);
	}

	private lost(nextTry: number): Connection {
		return { state: "lost", since: this.lostSince ?? Date.now(), nextTry };
	}

	private retry(): void {
		const wait = backOff(this.tries++, Math.random());
		this.lostSince ??= Date.now();
		this.to.connection(this.lost(Date.now() + wait));
		clearTimeout(this.timer);
		this.timer = window.setTimeout(() => void this.begin(), wait);
	}

	// Now, and not when its time comes.
	again(): void {
		clearTimeout(this.timer);
		const socket = this.socket;
		this.socket = null;
		socket?.close();
		void this.begin();
	}

	// A socket whose other end was cut off says nothing, and does not end either.
	private watch(): void {
		const socket = this.socket;
		if (!socket || document.hidden || Date.now() - this.heard < SILENCE_MS) return;
		ask("/health/live", "GET", undefined, 3000).then(
			() => (this.heard = Date.now()),
			() => {
				if (this.socket === socket) {
					this.socket = null;
					socket.close();
					this.retry();
				}
			},
		);
	}
}
