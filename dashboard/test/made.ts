// SPDX-License-Identifier: Apache-2.0
// Meshes for tests.
import { fromTopology, type Mesh } from "../src/mesh";
import type { TopologyLink, TopologyNode, TopologySide } from "../src/types";

export function side(more: Partial<TopologySide> = {}): TopologySide {
	return { state: "up", class: "good", rtt_ms: 1, loss: 0, sent_bps: 1000, received_bps: 500, ...more };
}

export function node(id: string, more: Partial<TopologyNode> = {}): TopologyNode {
	return { id, name: id, is_self: id === "a", state: id === "a" ? "self" : "answers", age_ms: 10, ...more };
}

export function made(nodes: TopologyNode[], links: TopologyLink[], time = 1000): Mesh {
	const text = new Date(time).toISOString();
	return fromTopology({ self: "a", time: text, is_complete: true, why: null, nodes, links });
}

// Nodes of one letter; "ab" is a link from a to b.
export function meshOf(ids: string[], pairs: string[], time = 1000): Mesh {
	return made(ids.map((id) => node(id)), pairs.map((p) => ({ a: p[0]!, b: p[1]!, ab: side(), ba: side() })), time);
}
