// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import { arrange, fit, fromText, muddle, type Place, toText } from "../src/layout";
import { lanes } from "../src/timeline";
import { meshOf } from "./made";

test("who has a place keeps it when others come", () => {
	const small = arrange(meshOf(["a", "b", "c"], ["ab", "bc"]), new Map());
	const larger = arrange(meshOf(["a", "b", "c", "d"], ["ab", "bc", "cd"]), small);
	for (const id of ["a", "b", "c"]) assert.deepEqual(larger.get(id), small.get(id));
	assert.ok(larger.get("d"));
	assert.ok(arrange(meshOf(["a", "b", "c", "d"], ["ab", "bc", "cd"]), larger) === larger);
});

test("the same mesh gives the same picture, and no two nodes one place", () => {
	const mesh = meshOf(["a", "b", "c", "d"], ["ab", "bc", "cd", "ad"]);
	const first = arrange(mesh, new Map());
	assert.deepEqual([...first], [...arrange(mesh, new Map())]);
	const all = [...first.values()];
	for (const [i, p] of all.entries())
		for (const q of all.slice(i + 1)) assert.ok(Math.hypot(p[0] - q[0], p[1] - q[1]) > 40);
});

test("places are remembered, and what is no place is not", () => {
	const places = new Map<string, Place>([["a", [1, 2]], ["b", [-3, 4]]]);
	assert.deepEqual([...fromText(toText(places))], [...places]);
	for (const text of [null, "", "{", "[]", '{"a":[1]}', '{"a":["x",1]}', '{"a":[1,null]}', '"a"', "null"])
		assert.equal(fromText(text).size, 0);
});

test("all of it fits into the frame", () => {
	const places: Place[] = [[-500, 3], [80, -40], [900, 200]];
	for (const [width, height] of [[390, 300], [1000, 600]] as const) {
		const project = fit(places, { width, height, zoom: 1, panX: 0, panY: 0 });
		for (const p of places) {
			const [x, y] = project(p);
			assert.ok(x > 20 && x < width - 20 && y > 20 && y < height - 20, `${x} ${y}`);
		}
	}
	const [x, y] = fit([[5, 5]], { width: 100, height: 100, zoom: 1, panX: 0, panY: 0 })([5, 5]);
	assert.deepEqual([x, y], [50, 50]);
});

test("bars of one time lie beside each other", () => {
	assert.deepEqual(lanes([{ from: 0, to: 10 }, { from: 5, to: 8 }, { from: 9, to: 12 }, { from: 10, to: 11 }], 2), [0, 1, 1, 0]);
	assert.equal(lanes(Array.from({ length: 9 }, () => ({ from: 0, to: 9 })), 4).length, 9);
});

test("a mesh that can be drawn without crossings is", () => {
	const ladder = meshOf(["a", "b", "c", "d", "e", "f"], ["ab", "bc", "de", "ef", "ad", "be", "cf"]);
	assert.equal(muddle(ladder, arrange(ladder, new Map())), 0);
	const tree = meshOf(["a", "b", "c", "d", "e", "f", "g"], ["ab", "ac", "bd", "be", "cf", "cg"]);
	assert.equal(muddle(tree, arrange(tree, new Map())), 0);
});

test("crossings and nodes on links are counted", () => {
	const mesh = meshOf(["a", "b", "c", "d"], ["ab", "cd"]);
	const places = (d: Place) => new Map<string, Place>([["a", [0, 0]], ["b", [200, 0]], ["c", [100, -100]], ["d", d]]);
	assert.equal(muddle(mesh, places([100, 100])), 1);
	assert.equal(muddle(mesh, places([100, -300])), 0);
	assert.equal(muddle(mesh, places([100, -10])), 2);
});
