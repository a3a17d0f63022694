// SPDX-License-Identifier: Apache-2.0
// Asking the daemon. The token is kept for this tab alone, and sent only where there is one.

const TOKEN = "x0.token";
const PATIENCE_MS = 10000;

export class Problem extends Error {
	constructor(readonly status: number, readonly code: string, detail: string) {
		super(detail);
	}
}

export function token(): string {
	return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value: string): void {
	if (value) sessionStorage.setItem(TOKEN, value);
	else sessionStorage.removeItem(TOKEN);
}

// Whether the daemon takes this token; only then is it kept, as all else that is asked meanwhile goes by the one before.
export async function tryToken(value: string): Promise<void> {
	await ask("/api/v1/doctor", "GET", undefined, PATIENCE_MS, value);
	setToken(value);
}

async function problemOf(answer: Response): Promise<Problem> {
	try {
		const p = (await answer.json()) as { code?: string; detail?: string };
		return new Problem(answer.status, p.code ?? "", p.detail ?? `status ${answer.status}`);
	} catch {
		return new Problem(answer.status, "", `the daemon answered with status ${answer.status}`);
	}
}

export async function ask<T>(path: string, method = "GET", body?: unknown, patienceMs = PATIENCE_MS, by = token()): Promise<T> {
	const headers: Record<string, string> = { Accept: "application/json" };
	if (by) headers["Authorization"] = `Bearer ${by}`;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	let answer: Response;
	try {
		answer = await fetch(path, {
			method,
			headers,
			cache: "no-store",
			signal: AbortSignal.timeout(patienceMs),
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
	} catch {
		throw new Problem(0, "no_connection", "the daemon does not answer");
	}
	if (!answer.ok) throw await problemOf(answer);
	return (await answer.json()) as T;
}
