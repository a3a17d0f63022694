// SPDX-License-Identifier: Apache-2.0
// What the tests use of Node.js.
declare module "node:test" {
	export default function test(name: string, body: () => void | Promise<void>): void;
}
declare module "node:assert" {
	const assert: {
		equal(a: unknown, b: unknown, message?: string): void;
		deepEqual(a: unknown, b: unknown, message?: string): void;
		ok(value: unknown, message?: string): asserts value;
		match(text: string, pattern: RegExp): void;
	};
	export default assert;
}
