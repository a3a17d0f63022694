// SPDX-License-Identifier: Apache-2.0
// What changes something is asked about first, and takes the token of the daemon.
import { ask, Problem, setToken, token, tryToken } from "./api";
import { byId, type Child, h, show } from "./dom";

function open(title: string, ...content: Child[]): HTMLDialogElement {
	const dialog = byId("dialog") as HTMLDialogElement;
	dialog.replaceChildren();
	// Neither a token nor an invitation stays in the page; another one may be open by then.
	dialog.onclose = () => {
		if (!dialog.open) dialog.replaceChildren();
	};
	show(dialog, h("h2", { id: "dialog-title" }, title), content);
	if (!dialog.open) dialog.showModal();
	return dialog;
}

function close(): void {
	(byId("dialog") as HTMLDialogElement).close();
}

function buttons(...list: HTMLElement[]): HTMLElement {
	return h("div", { class: "actions" }, list, h("button", { type: "button", onclick: close }, "Cancel"));
}

// Asks for the token, tries it, and goes on with what needed it.
export function askToken(file: string, then: () => void, why = ""): void {
	const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", size: 40 });
	const problem = h("p", { class: "problem", role: "alert" }, why);
	const form = h("form", {
		onsubmit: (e: Event) => {
			e.preventDefault();
			tryToken(input.value.trim()).then(
				() => {
					close();
					then();
				},
				(error: unknown) => {
					problem.textContent = error instanceof Problem && error.status === 401
						? "This is not the token of this daemon. It is new at each start." : String((error as Error).message);
				},
			);
		},
	},
	h("p", null, "The token of this daemon shows that you may change it. Read it with"),
	h("pre", null, `sudo cat ${file || "/run/x0/api.token"}`),
	h("label", null, "Token", input),
	problem,
	h("p", { class: "quiet" }, "It is kept in this tab, until the tab is closed."),
	buttons(h("button", { type: "submit", class: "primary" }, "Use it")));
	open("Token", form);
	input.focus();
}

function told(title: string, answer: Record<string, unknown>): void {
	const invitation = answer["invitation"];
	open(title,
		typeof invitation === "string"
			? [h("p", null, "On the other machine, as root:"), h("pre", { class: "wrap" }, `x0 join ${invitation}`)]
			: h("pre", { class: "wrap" }, JSON.stringify(answer, null, 2)),
		h("div", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: close }, "Close")));
}

export interface Change {
	title: string;
	detail: string;
	method: string;
	path: string;
	body?: unknown;
}

// Confirms, does it, and says what came of it.
export function change(c: Change, tokenFile: string, then: () => void): void {
	if (!token()) {
		askToken(tokenFile, () => change(c, tokenFile, then));
		return;
	}
	const problem = h("p", { class: "problem", role: "alert" });
	const go = h("button", {
		type: "button", class: c.method === "DELETE" ? "danger" : "primary",
		onclick: () => {
			go.disabled = true;
			ask<Record<string, unknown>>(c.path, c.method, c.body ?? (c.method === "POST" ? {} : undefined)).then(
				(answer) => {
					told("Done", answer);
					then();
				},
				(error: unknown) => {
					go.disabled = false;
					if (error instanceof Problem && error.status === 401) {
						setToken("");
						askToken(tokenFile, () => change(c, tokenFile, then), "The token is another one by now: the daemon was started again.");
						return;
					}
					problem.textContent = (error as Error).message;
				},
			);
		},
	}, c.method === "DELETE" ? "Revoke" : "Do it");
	open(c.title, h("p", null, c.detail), problem, buttons(go));
	go.focus();
}
