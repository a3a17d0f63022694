// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them: with units, and never more digits than mean something.

export const NONE = "–";

type Maybe = number | null | undefined;

function digits(value: number): string {
	const places = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
	return value.toFixed(places);
}

function scaled(value: number, step: number, units: readonly string[]): string {
	let i = 0;
	while (value >= step && i < units.length - 1) {
		value /= step;
		i++;
	}
	return `${i === 0 ? Math.round(value) : digits(value)} ${units[i]}`;
}

export function rate(bps: Maybe): string {
	return bps == null ? NONE : scaled(bps, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
}

export function bytes(n: Maybe): string {
	return n == null ? NONE : scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}

export function millis(ms: Maybe): string {
	if (ms == null) return NONE;
	return ms >= 1000 ? `${digits(ms / 1000)} s` : `${digits(ms)} ms`;
}

export function percent(ratio: Maybe): string {
	if (ratio == null) return NONE;
	const p = ratio * 100;
	if (p === 0) return "0 %";
	if (p < 0.1) return "< 0.1 %";
	return `${p < 10 ? Number(p.toFixed(1)) : Math.round(p)} %`;
}

// For the ticks of an axis, which have to differ from each other also where all is below 0.1 %.
export function percentTick(ratio: Maybe): string {
	return ratio == null ? NONE : `${Number((ratio * 100).toPrecision(3))} %`;
}

// "8 s", "2 min", "3 h 10 min", "5 d 2 h"
export function duration(ms: Maybe): string {
	if (ms == null) return NONE;
	const s = ms / 1000;
	if (s < 0.1) return "0.1 s";
	if (s < 10) return `${s < 0.95 ? s.toFixed(1) : Number(s.toFixed(1))} s`;
	if (s < 90) return `${Math.round(s)} s`;
	const minutes = Math.round(s / 60);
	if (minutes < 90) return `${minutes} min`;
	const hours = Math.floor(minutes / 60);
	if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
	return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}

function two(n: number): string {
	return String(n).padStart(2, "0");
}

export function clock(ms: number): string {
	const t = new Date(ms);
	return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export function date(ms: number): string {
	const t = new Date(ms);
	return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`;
}

export function count(n: number, one: string, many = `${one}s`): string {
	return `${n} ${n === 1 ? one : many}`;
}

// "n3", "n3 and n6", "n3, n6 and 2 more"
export function list(names: readonly string[], most = 3): string {
	if (names.length <= 1) return names[0] ?? "";
	if (names.length > most) return `${names.slice(0, most - 1).join(", ")} and ${names.length - most + 1} more`;
	return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

// What an address shows: "#/node/n%201" is the node "n 1". One that is written wrong shows nothing in particular.
export function placeOf(hash: string): { tab: string; id: string | null } {
	const [, tab = "", id = ""] = hash.split("/");
	try {
		return { tab, id: decodeURIComponent(id) || null };
	} catch {
		return { tab, id: null };
	}
}
