// SPDX-License-Identifier: Apache-2.0
// What the API answers, as far as the dashboard reads it (docs/api.md).

export type LinkState = "up" | "suspect" | "down";
export type NodeState = "self" | "answers" | "silent" | "unreachable";

export interface TopologyNode {
	id: string;
	name: string;
	address?: string | null;
	is_self: boolean;
	state: NodeState;
	age_ms: number | null;
	hops?: number | null;
	metric?: number | null;
	next_hop?: string | null;
	version?: string | null;
	uptime_s?: number | null;
	n_links?: number | null;
}

export interface TopologySide {
	state: LinkState;
	class: string;
	rtt_ms?: number | null;
	jitter_ms?: number | null;
	loss?: number | null;
	sent_bytes?: number | null;
	received_bytes?: number | null;
	sent_bps?: number | null;
	received_bps?: number | null;
	underlay?: string | null;
}

export interface TopologyLink {
	a: string;
	b: string;
	ab: TopologySide | null;
	ba: TopologySide | null;
}

export interface Topology {
	self: string;
	time: string;
	is_complete: boolean;
	why?: string | null;
	nodes: TopologyNode[];
	links: TopologyLink[];
}

export interface Peer {
	node: string;
	node_id: string;
	address: string;
	is_neighbour: boolean;
	has_session: boolean;
	endpoint?: string | null;
	state?: LinkState;
	class?: string;
	rtt_us?: number;
	jitter_us?: number;
	loss_ppm?: number;
	flaps?: number;
	path_mtu?: number;
	life?: string;
	why_relayed?: string;
	role?: string;
	key_exchange?: string;
	signature?: string;
	cipher?: string;
	key_epoch?: number;
	session_age_s?: number;
	certificate_not_after_s?: number;
	sent_bytes: number;
	received_bytes: number;
}

export interface Way {
	nodes: string[];
	is_used: boolean;
	delay_us: number;
	share_percent: number;
}

export interface Route {
	node: string;
	node_id: string;
	is_reachable: boolean;
	via: string | null;
	is_direct: boolean;
	alternates: string[];
	paths: Way[];
	hops: number;
	metric: number;
	age_s: number;
}

export interface Feature {
	name: string;
	is_on: boolean;
	why: string;
}

export interface Status {
	version: string;
	name: string;
	domain: string;
	spiffe_id: string;
	node_id: string;
	address: string;
	is_authority: boolean;
	is_authority_locked?: boolean;
	uptime_s: number;
	restarts: number;
	sessions: number;
	neighbours: number;
	reachable: number;
	certificate: { not_after_s: number; renewed_from_s: number };
	features: Feature[];
	api: { token_file: string };
}

export interface Summary {
	interval_s: number;
	newest: number;
	series: {
		sent_bps: (number | null)[];
		received_bps: (number | null)[];
		rtt_ms: Record<string, (number | null)[]>;
		loss: Record<string, (number | null)[]>;
		cpu?: (number | null)[];
		memory_bytes?: (number | null)[];
	};
}

export interface MeshEvent {
	type: "event";
	seq: number;
	time: string;
	topic: string;
	event: string;
	peer?: string;
	endpoint?: string;
	why?: string;
	metric?: number;
	hops?: number;
}

export interface Hello {
	type: "hello";
	version: string;
	oldest: number;
	next: number;
	begins: number;
	is_gap: boolean;
}

export interface EventList {
	oldest: number;
	next: number;
	events: MeshEvent[];
}

export interface TraceEvent {
	event: "hop" | "timeout" | "no_route";
	sequence: number;
	node?: string;
	rtt_us?: number;
	hops?: number;
	why?: string;
}

export interface TraceAnswer {
	target: string;
	sent: number;
	received: number;
	events?: TraceEvent[];
}

export interface Cause {
	kind: string;
	name: string;
	confidence: number;
	explained?: number | null; // of one from before a restart less is kept
	hops?: number;
	source?: string | null;
}

export interface Evidence {
	value: number | null;
	unit: string;
	opens_at: number | null;
	samples: number | null;
	source: string;
	measured: string | null;
}

export interface CauseGraph {
	vertices: { kind: string; name: string; deviation: number | null; source: string | null; measured: string | null }[];
	edges: { from: number; to: number; weight: number }[];
}

export interface Incident {
	id: string;
	kind: string;
	subject: string;
	about: string | null;
	severity: string;
	state: string;
	is_open: boolean;
	began: string | null;
	opened: string;
	healed: string | null;
	closed: string | null;
	held_until: string | null;
	remedy: string;
	effect: string;
	action: string | null;
	is_confirmed: boolean;
	why: string;
	causes: Cause[];
	// of one that was asked for alone; null of one from before a restart
	unknown?: number | null;
	evidence?: Evidence[];
	steps?: { state: string; at: string }[] | null;
	graph?: CauseGraph | null;
}

export interface InclusionProof {
	size: number; // of the tree
	root: string;
	hashes: string[];
	file: string; // c2sp.org/tlog-proof
}

export interface LedgerEntry {
	index: number;
	entry: { kind: string; what: string; when: number; who: string; where?: string; why?: string; result?: string };
	text: string; // as it is hashed
	proof: InclusionProof | null;
}

export interface IncidentLedger {
	incident: string;
	size: number;
	signed_size: number;
	is_complete: boolean;
	entries: LedgerEntry[];
}
