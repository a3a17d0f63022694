// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert";
import test from "node:test";
import { backOff, moved } from "../src/live";
import type { MeshEvent } from "../src/types";

test("tries come later and later, never at one moment, and never too late", () => {
	for (let tries = 0; tries < 40; tries++) {
		const [least, most] = [backOff(tries, 0), backOff(tries, 1)];
		assert.ok(least >= 150 && least < most && most <= 10000, `${tries}: ${least} to ${most}`);
	}
	assert.ok(backOff(0, 1) <= 300);
	assert.equal(backOff(30, 1), 10000);
});

test("an event is told by the clock of the page, and one without a time stays as it is", () => {
	const e: MeshEvent = { type: "event", seq: 1, time: "2026-01-01T00:00:00.000Z", topic: "links", event: "link_up" };
	assert.equal(moved(e, -3600_000).time, "2025-12-31T23:00:00.000Z");
	assert.equal(moved(e, 0), e);
	assert.equal(moved({ ...e, time: "never" }, 5000).time, "never");
});
