// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import { bytes, count, duration, list, millis, NONE, percent, percentTick, placeOf, rate } from "../src/format";

test("a number has its unit and no more digits than mean something", () => {
	assert.equal(rate(0), "0 bit/s");
	assert.equal(rate(999), "999 bit/s");
	assert.equal(rate(1500), "1.50 kbit/s");
	assert.equal(rate(12_340_000), "12.3 Mbit/s");
	assert.equal(bytes(1024 * 1024 * 3), "3.00 MiB");
	assert.equal(millis(0.354), "0.35 ms");
	assert.equal(millis(2500), "2.50 s");
	assert.equal(percent(0.042), "4.2 %");
	assert.equal(percent(0.0004), "< 0.1 %");
	assert.equal(percent(0), "0 %");
	assert.equal(percentTick(0.0004), "0.04 %");
	assert.equal(percentTick(0.05), "5 %");
});

test("what is not known is a dash, and not a zero", () => {
	for (const f of [rate, bytes, millis, percent, duration]) {
		assert.equal(f(null), NONE);
		assert.equal(f(undefined), NONE);
	}
});

test("times are told as people tell them", () => {
	assert.equal(duration(300), "0.3 s");
	assert.equal(duration(8000), "8 s");
	assert.equal(duration(75_000), "75 s");
	assert.equal(duration(120_000), "2 min");
	assert.equal(duration(3 * 3600_000), "3 h");
	assert.equal(duration(3 * 3600_000 + 600_000), "3 h 10 min");
	assert.equal(duration(50 * 3600_000), "2 d 2 h");
});

test("names are listed, and many are counted", () => {
	assert.equal(list([]), "");
	assert.equal(list(["a"]), "a");
	assert.equal(list(["a", "b"]), "a and b");
	assert.equal(list(["a", "b", "c"]), "a, b and c");
	assert.equal(list(["a", "b", "c", "d"]), "a, b and 2 more");
	assert.equal(count(1, "link"), "1 link");
	assert.equal(count(0, "link"), "0 links");
});

test("an address that is written wrong shows no node, and breaks nothing", () => {
	assert.deepEqual(placeOf("#/node/n%201"), { tab: "node", id: "n 1" });
	assert.deepEqual(placeOf("#/node/%"), { tab: "node", id: null });
	assert.deepEqual(placeOf("#/node/%E0%A4%A"), { tab: "node", id: null });
	assert.deepEqual(placeOf(""), { tab: "", id: null });
});
