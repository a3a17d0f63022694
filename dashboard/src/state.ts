// SPDX-License-Identifier: Apache-2.0
// What the page knows and what it shows of it. main.ts keeps it up to date; views only read it.
import type { Connection } from "./live";
import type { Mesh } from "./mesh";
import { OwnSeries } from "./series";
import { Chronicle, type Filter, History } from "./story";
import type { Incident, IncidentLedger, LedgerEntry, MeshEvent, Peer, Route, Status, Summary, TraceAnswer } from "./types";

export type Tab = "overview" | "node" | "path" | "traffic" | "incidents" | "events";

export type Proof = "checking" | "holds" | "fails" | "cannot";

export interface Trace {
	target: string; // a name
	isRunning: boolean;
	answer: TraceAnswer | null;
	error: string;
}

export class State {
	mesh: Mesh | null = null;
	history = new History();
	chronicle = new Chronicle();
	events: MeshEvent[] = [];
	hasGap = false;
	status: Status | null = null;
	peers: Peer[] = [];
	routes: Route[] = [];
	summary: Summary | null = null; // null: the daemon keeps none
	own = new OwnSeries();
	connection: Connection = { state: "connecting" };
	trouble = ""; // of asking, other than the connection
	needsToken = false;
	incidents: Incident[] | null = null; // the newest first; null: not known
	incidentsWhy = ""; // they are not
	incident: string | null = null; // the ID of the one that is shown
	one: Incident | null = null; // that one, whole
	ledger: IncidentLedger | null = null; // what there is of it
	oneWhy = ""; // it is not known
	ledgerWhy = "";
	proofs = new Map<string, Proof>(); // by proofKey()
	aheadMs = 0; // the clock of this page, of the daemon's

	tab: Tab = "overview";
	node: string | null = null; // an ID
	from: string | null = null; // of a path; null: this node
	to: string | null = null;
	trace: Trace | null = null;
	at: number | null = null; // a time looked at; null: live
	isTable = false;
	filter: Filter = { topic: "", text: "", isImportant: true };

	// The mesh that is shown: of now, or of the time that was gone back to.
	shown(): Mesh | null {
		return this.at === null ? this.mesh : (this.history.at(this.at) ?? this.mesh);
	}

	now(): number {
		return Date.now();
	}
}

// A proof is of an entry in one tree: it is checked again when the tree has grown.
export function proofKey(e: LedgerEntry): string {
	return e.proof ? `${e.index} ${e.proof.size} ${e.proof.root} ${e.text}` : "";
}

// What a view may ask to be done.
export interface Actions {
	go(tab: Tab, node?: string | null): void;
	path(from: string | null, to: string | null): void;
	trace(): void;
	filter(f: Partial<Filter>): void;
	askToken(): void;
	forgetToken(): void;
	change(what: string, detail: string, method: string, path: string, body?: unknown): void;
	again(): void;
}
