// SPDX-License-Identifier: Apache-2.0
// Drives the dashboard in Chromium by playwright-core: as a test, or to take pictures of it.
// Arguments: node_modules, cut.sh, the test's directory, x0, then "test", "incident", or "pictures" and where to.
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, cutter, work, x0, mode, pictures] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const { chromium } = require("playwright-core");
const BASE = "http://127.0.0.1:26970";
const CABLES = { "n1 n2": 1, "n2 n3": 2, "n4 n5": 3, "n5 n6": 4, "n1 n4": 5, "n2 n5": 6, "n3 n6": 7 };
const WITHIN_MS = 1000;

function link(what, a, b) {
	const [first, second] = [a, b].sort();
	execFileSync(cutter, [what, `${work}/hosts`, first, second, String(CABLES[`${first} ${second}`])]);
}

function cli(...args) {
	return execFileSync(x0, [...args, "--config", `${work}/n1/x0.yaml`], {
		encoding: "utf8", timeout: 30000, stdio: ["ignore", "pipe", "ignore"],
	});
}

async function api(path) {
	const answer = await fetch(BASE + path);
	return answer.ok ? answer.json() : null;
}

const browser = await chromium.launch({
	executablePath: "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-first-run", "--disable-dev-shm-usage"],
});

// ---- what must never happen, on any page ----

const wrong = [];
let mayFail = false; // while the daemon is down on purpose, requests fail

async function open(options = {}) {
	const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
	await context.addInitScript(() => {
		window.violations = [];
		document.addEventListener("securitypolicyviolation", (e) =>
			window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
	});
	const page = await context.newPage();
	page.on("console", (m) => {
		if (["error", "warning"].includes(m.type()) && !mayFail) wrong.push(`console: ${m.text()} (${m.location().url})`);
	});
	page.on("pageerror", (e) => wrong.push(`exception: ${e.stack}`));
	page.on("request", (r) => {
		if (!r.url().startsWith(`${BASE}/`) && !r.url().startsWith("data:")) wrong.push(`a request to ${r.url()}`);
	});
	page.on("websocket", (w) => {
		if (!w.url().startsWith("ws://127.0.0.1:26970/ws")) wrong.push(`a WebSocket to ${w.url()}`);
	});
	page.setDefaultTimeout(30000); // until it counts as hung; what has a bound is measured
	return page;
}

async function nothingWrong(page) {
	wrong.push(...(await page.evaluate(() => window.violations.splice(0))).map((v) => `policy: ${v}`));
	assert.equal(wrong.join("\n"), "");
}

async function live(page) {
	await page.waitForFunction(() => document.querySelector("#connection")?.textContent === "Live");
}

async function accessible(page, what) {
	await page.evaluate(readFileSync(`${modules}/axe-core/axe.min.js`, "utf8"));
	const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
	const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
	const found = serious.map((v) => `${v.id}: ${v.nodes.slice(0, 4).map((n) => `${n.html.slice(0, 160)} ${n.any[0]?.message ?? ""}`).join(" | ")}`);
	assert.equal(found.join("\n"), "", what);
	if (violations.length) console.log(`axe, ${what}, minor: ${violations.map((v) => v.id).join(", ")}`);
}

const placesOf = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll("[data-node]")]
	.map((e) => [e.getAttribute("data-node"), e.getAttribute("transform")])));

async function ids() {
	const [status, routes] = await Promise.all([api("/api/v1/status"), api("/api/v1/routes")]);
	return Object.fromEntries([[status.name, status.node_id], ...routes.map((r) => [r.node, r.node_id])]);
}

const linkKey = (a, b) => [a, b].sort().join("~");

// ---- the test ----

async function appears(page) {
	await page.goto(`${BASE}/`);
	await live(page);
	await page.waitForFunction(() => document.querySelectorAll("[data-node]").length === 6 &&
		document.querySelectorAll("[data-link]").length === 7);
	const names = await page.locator(".node .name").allTextContents();
	assert.deepEqual(names.sort(), ["n1", "n2", "n3", "n4", "n5", "n6"]);
	await page.waitForFunction(() => document.querySelector("#health")?.textContent === "Healthy", null, { timeout: 30000 });
	console.log(`the topology appears: 6 nodes, 7 links`);
}

// Cuts the first link on the way to n6, under load, until it shows; the link is healed again.
async function cutShows(page) {
	const id = await ids();
	const times = [];
	let next;
	for (let run = 0; run < 3 && !times.some((t) => t <= WITHIN_MS); run++) {
		next = (await api("/api/v1/routes")).find((r) => r.node === "n6").via;
		const isDown = page.waitForFunction((key) =>
			document.querySelector(`[data-link="${key}"] .state-down`) && performance.timeOrigin + performance.now(), linkKey(id.n1, id[next]));
		const began = Date.now();
		link("cut", "n1", next);
		times.push(Math.round(await (await isDown).jsonValue() - began));
		await page.waitForFunction(() => document.querySelector("#health")?.textContent !== "Healthy");
		link("heal", "n1", next);
		await page.waitForFunction((key) => !document.querySelector(`[data-link="${key}"] .state-down`),
			linkKey(id.n1, id[next]), { timeout: 60000 });
	}
	console.log(`a cut showed after ${times.join(", ")} ms`);
	assert.ok(Math.min(...times) <= WITHIN_MS, `a cut shows after ${times} ms`);
	await page.waitForFunction((text) => new RegExp(text).test(document.querySelector(".stories")?.textContent ?? ""),
		`Link to ${next} was down for [0-9.]+ (s|min)`, { timeout: 30000 }); // a link that has just come may flap
	console.log(`told as: ${await page.locator(".story span:nth-child(2)").first().textContent()}`);
	await page.waitForFunction(() => document.querySelector("#health")?.textContent === "Healthy", null, { timeout: 60000 });
	return next;
}

// Back to when it was cut: the map shows it, and live again it does not.
async function timeGoesBack(page) {
	const bar = page.locator(".bar.down").first();
	const [x, width] = [Number(await bar.getAttribute("x")), Number(await bar.getAttribute("width"))];
	const back = Math.round(((x + width / 2) / 1000 - 1) * 300);
	await page.locator('input[type="range"]').fill(String(back));
	await page.waitForFunction(() => document.querySelector(".state-down[x1]") && document.body.classList.contains("is-past"));
	await page.getByRole("button", { name: "Back to live" }).click();
	await page.waitForFunction(() => !document.querySelector("#map .state-down") && !document.body.classList.contains("is-past"));
	console.log("the timeline goes back to the cut, and to now again");
}

async function traceMatches(page) {
	await page.goto(`${BASE}/#/path`);
	await page.locator("#path-to").selectOption({ label: "n6" });
	let hops, lines;
	for (let run = 0; run < 3; run++) { // the way may change between the two
		await page.locator("#trace").click();
		await page.waitForFunction(() => document.querySelector("#trace")?.disabled === false && document.querySelector("[data-hop='n6']"));
		hops = await page.locator(".hop[data-hop]").evaluateAll((all) => all.map((e) => e.getAttribute("data-hop")));
		lines = cli("trace", "n6", "--json").trim().split("\n").map((l) => JSON.parse(l));
		const said = lines.filter((l) => l.event === "hop").map((l) => l.node);
		if (said.join() === hops.join()) break;
		lines = [];
	}
	assert.deepEqual(hops, lines.filter((l) => l.event === "hop").map((l) => l.node));
	assert.equal(hops.at(-1), "n6");
	console.log(`the trace is that of x0 trace: ${hops.join(", ")}`);
}

async function reloadResumes(page) {
	await page.goto(`${BASE}/#/events`);
	await live(page);
	const all = async () => {
		await page.locator(".check input").uncheck();
		await page.waitForSelector(".events li.quiet");
	};
	await all();
	const before = await page.locator(".events li span:last-child").allTextContents();
	const places = await placesOf(page);
	const socket = page.waitForEvent("websocket");
	await page.reload();
	const url = new URL((await socket).url());
	await live(page);
	const newest = (await api("/api/v1/events?limit=1")).next;
	assert.ok(Number(url.searchParams.get("since")) > 0 && Number(url.searchParams.get("since")) <= newest);
	await all();
	await page.waitForFunction((n) => document.querySelectorAll(".events li").length >= n, before.length);
	const after = await page.locator(".events li span:last-child").allTextContents();
	assert.deepEqual(after.slice(-before.length), before);
	assert.deepEqual(await placesOf(page), places);
	assert.equal(await page.locator("text=Some events were missed").count(), 0);
	console.log(`a reload resumes: ${before.length} events and all places are there again`);
}

// With the token in the tab, which is that of the daemon before.
async function comesBack(page) {
	const token = readFileSync(`${work}/n1/run/x0/api.token`, "utf8");
	await page.evaluate((t) => sessionStorage.setItem("x0.token", t), token);
	await page.goto(`${BASE}/#/node/%`); // no address of ours
	await page.reload();
	await page.waitForFunction(() => document.querySelector("#connection")?.textContent === "Live, asked each second");
	mayFail = true;
	cli("down");
	await page.waitForFunction(() => document.querySelector("#connection")?.textContent === "Connection lost" &&
		document.querySelector("#banner")?.textContent.includes("Connection lost"));
	cli("up");
	await live(page);
	await page.waitForFunction(() => document.querySelector("#banner").textContent === "");
	mayFail = false;
	assert.equal(await page.evaluate(() => sessionStorage.getItem("x0.token")), null);
	console.log("a lost connection shows, and the page comes back by itself");
}

async function keysAreEnough(page) {
	await page.goto(`${BASE}/#/`);
	await live(page);
	await page.waitForSelector("[data-node]");
	const at = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
	const tabTo = async (test) => {
		for (let i = 0; i < 40; i++) {
			await page.keyboard.press("Tab");
			if (test(await at())) return;
		}
		assert.fail("the Tab key does not get there");
	};
	await tabTo((text) => /^n1, this node/.test(text));
	let reached = null;
	for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"]) {
		await page.keyboard.press(key);
		if (!/^n1,/.test(await at())) {
			reached = (await at()).split(",")[0];
			break;
		}
	}
	assert.ok(reached, "no arrow key leaves n1");
	await page.keyboard.press("Enter");
	await page.waitForFunction((name) => document.querySelector("#panel h2")?.textContent === name, reached);
	await tabTo((text) => text === "Overview");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#panel h2")?.textContent === "The mesh now");
	await page.locator("#as-table").focus();
	await page.keyboard.press("Space");
	await page.waitForFunction(() => document.querySelectorAll("#table tbody tr").length >= 8);
	await page.keyboard.press("Space");
	console.log("the keyboard is enough: map, node, views, table");
}

async function changesTakeTheToken(page) {
	const token = readFileSync(`${work}/n1/run/x0/api.token`, "utf8");
	await page.goto(`${BASE}/#/node`);
	await live(page);
	await page.getByRole("button", { name: "Invite a machine" }).click();
	await page.locator("#token").fill("0".repeat(64));
	mayFail = true; // 401
	await page.getByRole("button", { name: "Use it" }).click();
	await page.waitForFunction(() => document.querySelector("dialog .problem")?.textContent.includes("not the token"));
	mayFail = false;
	await page.locator("#token").fill(token);
	await page.getByRole("button", { name: "Use it" }).click();
	await page.getByRole("button", { name: "Do it" }).click();
	await page.waitForFunction(() => document.querySelector("dialog pre")?.textContent.startsWith("x0 join x0://"));
	assert.equal(await page.evaluate((t) => JSON.stringify(localStorage).includes(t), token), false);
	await page.getByRole("button", { name: "Close" }).click();
	await page.waitForFunction(() => document.querySelector("dialog").childNodes.length === 0);
	await page.getByRole("button", { name: "Forget token" }).click();
	await live(page);
	console.log("a change takes the token, which is kept in the tab alone");
}

async function everyViewIsAccessible(page, what) {
	for (const tab of ["", "node", "path", "traffic", "incidents", "events"]) {
		await page.goto(`${BASE}/#/${tab}`);
		await live(page);
		await page.waitForFunction(() => document.querySelector("#panel h2"));
		await accessible(page, `${what}, ${tab || "overview"}`);
	}
	await page.goto(`${BASE}/#/`);
	await page.locator("#as-table").click();
	await accessible(page, `${what}, table`);
	await page.locator("#as-table").click();
}

async function fitsAPhone() {
	const page = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
	for (const tab of ["", "node", "path", "traffic", "incidents", "events"]) {
		await page.goto(`${BASE}/#/${tab}`);
		await live(page);
		await page.waitForSelector("[data-node]");
		const width = await page.evaluate(() => document.documentElement.scrollWidth);
		assert.ok(width <= 390, `${tab} is ${width} wide on a phone`);
	}
	await everyViewIsAccessible(page, "phone, dark");
	await nothingWrong(page);
	await page.context().close();
	console.log("it fits a phone");
}

async function test() {
	const page = await open();
	await appears(page);
	await cutShows(page);
	await timeGoesBack(page);
	await nothingWrong(page);
	await traceMatches(page);
	await reloadResumes(page);
	await keysAreEnough(page);
	await changesTakeTheToken(page);
	await everyViewIsAccessible(page, "desktop");
	await nothingWrong(page);
	await fitsAPhone();
	await comesBack(page);
	await nothingWrong(page);
}

// ---- an incident: a relay drops what it should pass on, from when the page is open ----

async function incident() {
	const page = await open();
	await page.goto(`${BASE}/#/incidents`);
	await live(page);
	await page.waitForFunction(() => document.querySelector("#panel h2")?.textContent === "Incidents");
	const next = (await api("/api/v1/routes")).find((r) => r.node === "n6").via;
	execFileSync(cutter, ["drop", `${work}/hosts`, next, "n1", "0"]);
	const entry = page.locator(".stories a", { hasText: `Packets to n6 that are handed to ${next} do not all arrive` });
	await entry.first().waitFor({ timeout: 60000 });
	await accessible(page, "incidents, desktop");
	await entry.first().focus();
	await page.keyboard.press("Enter");
	await page.waitForFunction((name) => document.querySelector("#panel h2")?.textContent.includes(name), next);
	assert.equal(await page.evaluate(() => document.activeElement?.id), "panel");
	await page.waitForFunction(() => document.querySelector("#panel .health-line")?.textContent.startsWith("Healed"), null, { timeout: 60000 });
	await page.waitForFunction(() => [...document.querySelectorAll(".proof")].filter((e) =>
		/^Proved: .* this page has checked/.test(e.textContent)).length === 2, null, { timeout: 60000 });
	const moments = await page.locator(".moments li span:last-child").allTextContents();
	for (const part of ["The first bad reading", "Opened", `Cause named: `, "Intent", "The intent is in the ledger", "Done", "Probed", "Healed"])
		assert.ok(moments.some((m) => m.startsWith(part)), `${part} in ${moments.join(" | ")}`);
	assert.ok(moments.some((m) => m.startsWith("Cause named: ") && m.includes(next)), moments.join(" | "));
	assert.equal(await page.locator(".causes .symptom").count(), 1);
	const words = await page.locator(".words").first().locator("li").count();
	assert.equal(await page.locator(".cause-box").count(), words);
	await accessible(page, "an incident, desktop");
	const address = page.url();
	const phone = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
	await phone.goto(address);
	await phone.waitForFunction(() => document.querySelectorAll(".proof").length === 2 && document.querySelector(".causes"));
	const width = await phone.evaluate(() => document.documentElement.scrollWidth);
	assert.ok(width <= 390, `an incident is ${width} wide on a phone`);
	await accessible(phone, "an incident, phone, dark");
	await nothingWrong(phone);
	await nothingWrong(page);
	console.log(`an incident shows live, with causes, time and proof: ${moments.join("; ")}`);
}

// ---- pictures ----

async function take(name, options, steps) {
	const page = await open(options);
	await page.goto(`${BASE}/`);
	await live(page);
	await page.waitForFunction(() => document.querySelectorAll("[data-node]").length === 6);
	await page.waitForTimeout(2500);
	await steps(page);
	await page.waitForTimeout(700);
	await page.screenshot({ path: `${pictures}/dashboard-${name}.png` });
	await page.context().close();
	console.log(`${pictures}/dashboard-${name}.png`);
}

async function takePictures() {
	const wait = (ms) => new Promise((done) => setTimeout(done, ms));
	const desktop = { viewport: { width: 1280, height: 800 } };
	const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, hasTouch: true, isMobile: true };
	await wait(20000); // for values to plot
	await take("desktop", desktop, async (page) => {
		const next = (await api("/api/v1/routes")).find((r) => r.node === "n6").via;
		link("cut", "n1", next);
		await wait(6000);
		link("heal", "n1", next);
		await wait(14000);
		link("cut", "n2", "n5");
		await wait(5000);
	});
	await take("dark", { ...desktop, colorScheme: "dark" }, (page) => page.goto(`${BASE}/#/traffic`));
	link("heal", "n2", "n5");
	await take("node", desktop, async (page) => {
		await page.locator('[data-node]:has(.name:text-is("n2"))').click();
	});
	await take("path", { ...desktop, colorScheme: "dark" }, async (page) => {
		await page.goto(`${BASE}/#/path`);
		await page.locator("#path-to").selectOption({ label: "n6" });
		await page.locator("#trace").click();
		await page.waitForSelector("[data-hop='n6']");
	});
	await take("events", desktop, (page) => page.goto(`${BASE}/#/events`));
	await take("phone", phone, async () => {});
	await take("phone-path", { ...phone, colorScheme: "dark" }, async (page) => {
		await page.goto(`${BASE}/#/path`);
		await page.locator("#path-to").selectOption({ label: "n6" });
		await page.locator("#trace").click();
		await page.waitForSelector("[data-hop='n6']");
		await page.locator("#side").scrollIntoViewIfNeeded();
	});
}

try {
	await (mode === "pictures" ? takePictures() : mode === "incident" ? incident() : test());
} catch (e) {
	console.error(wrong.join("\n"));
	console.error(e);
	process.exitCode = 1;
} finally {
	await browser.close();
}
