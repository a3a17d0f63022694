// SPDX-License-Identifier: Apache-2.0
// Elements from data, and the page brought from what it shows to what it should show. Texts become text
// nodes and nothing else: what a node of the mesh calls itself is never read as HTML.

export type Child = Node | string | number | null | undefined | false | Child[];
type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Attributes = Record<string, Value>;

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onkeydown", "onsubmit", "onfocus"] as const;

function append(to: Element, children: Child[]): void {
	for (const c of children) {
		if (Array.isArray(c)) append(to, c);
		else if (c instanceof Node) to.appendChild(c);
		else if (c != null && c !== false) to.appendChild(document.createTextNode(String(c)));
	}
}

function build(e: Element, attributes: Attributes | null, children: Child[]): void {
	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (value == null || value === false) continue;
		if (typeof value === "function") (e as unknown as Record<string, unknown>)[name] = value;
		else e.setAttribute(name, value === true ? "" : String(value));
	}
	append(e, children);
}

export function h<K extends keyof HTMLElementTagNameMap>(
	tag: K, attributes?: Attributes | null, ...children: Child[]
): HTMLElementTagNameMap[K] {
	const e = document.createElement(tag);
	build(e, attributes ?? null, children);
	return e;
}

export function s<K extends keyof SVGElementTagNameMap>(
	tag: K, attributes?: Attributes | null, ...children: Child[]
): SVGElementTagNameMap[K] {
	const e = document.createElementNS(SVG, tag);
	build(e, attributes ?? null, children);
	return e;
}

// ---- what changes ----

function key(n: Node): string {
	return n instanceof Element ? `${n.tagName}#${n.getAttribute("data-key") ?? ""}` : String(n.nodeType);
}

function syncAttributes(old: Element, fresh: Element): void {
	for (const { name } of [...old.attributes])
		if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
	for (const { name, value } of fresh.attributes)
		if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	for (const handler of HANDLERS) {
		const from = fresh as unknown as Record<string, unknown>;
		const to = old as unknown as Record<string, unknown>;
		if (to[handler] !== from[handler]) to[handler] = from[handler] ?? null;
	}
	if (old instanceof HTMLInputElement && document.activeElement !== old && fresh.hasAttribute("value"))
		old.value = fresh.getAttribute("value") ?? "";
}

function morph(old: Node, fresh: Node): void {
	if (old instanceof Element && fresh instanceof Element) {
		if (old.hasAttribute("data-foreign")) return; // another part draws inside
		syncAttributes(old, fresh);
		fill(old, [...fresh.childNodes]);
	} else if (old.nodeValue !== fresh.nodeValue) {
		old.nodeValue = fresh.nodeValue;
	}
}

// The children of an element become these; those that are alike are kept, and with them focus and
// selection.
export function fill(e: Element, children: Node[]): void {
	let at = e.firstChild;
	for (const fresh of children) {
		let same: ChildNode | null = at;
		if (same && key(same) !== key(fresh)) {
			same = null;
			if (fresh instanceof Element && fresh.hasAttribute("data-key"))
				for (let n: ChildNode | null = at; n; n = n.nextSibling)
					if (key(n) === key(fresh)) {
						same = n;
						break;
					}
		}
		if (!same) {
			e.insertBefore(fresh, at);
			continue;
		}
		if (same !== at) e.insertBefore(same, at);
		else at = at.nextSibling;
		morph(same, fresh);
	}
	while (at) {
		const next: ChildNode | null = at.nextSibling;
		at.remove();
		at = next;
	}
	if (e instanceof HTMLSelectElement) {
		const chosen = e.getAttribute("data-value");
		if (chosen !== null && e.value !== chosen) e.value = chosen;
	}
}

export function show(e: Element, ...children: Child[]): void {
	const list: Node[] = [];
	const collect = (c: Child): void => {
		if (Array.isArray(c)) c.forEach(collect);
		else if (c instanceof Node) list.push(c);
		else if (c != null && c !== false) list.push(document.createTextNode(String(c)));
	};
	children.forEach(collect);
	fill(e, list);
}

export function byId(id: string): HTMLElement {
	const e = document.getElementById(id);
	if (!e) throw new Error(`the page has no ${id}`);
	return e;
}
