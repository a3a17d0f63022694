// SPDX-License-Identifier: Apache-2.0
// x0 tls against Node.js over real sockets, each as server and as client: groups, fallback, asking
// again, and certificates both ways. Arguments: x0, tls_tool, an empty directory. A line per check;
// exit 1 if one fails.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { spawn, spawnSync } from 'node:child_process';

const [x0, tool, dir] = process.argv.slice(2);
const DOMAIN = 'interop.example';
const ALPHA = `spiffe://${DOMAIN}/node/alpha`; // x0
const BETA = `spiffe://${DOMAIN}/node/beta`; // Node.js
const HYBRID = 'X25519MLKEM768';
const LIMIT_MS = 15000;
let failed = 0;
let files = 0;

function check(what, isGood, seen) {
	console.log(`${isGood ? 'ok  ' : 'FAIL'} ${what}${isGood ? '' : `: ${JSON.stringify(seen)}`}`);
	failed += isGood ? 0 : 1;
}

const read = (name) => fs.readFileSync(path.join(dir, name));
const beta = (name = 'beta') => ({ cert: read(`${name}.pem`), key: read('node.key') });

// A configuration of alpha's, all with the same state.
function configuration(more = '') {
	const name = path.join(dir, `x0-${files++}.yaml`);
	fs.writeFileSync(name, `domain: ${DOMAIN}\nname: alpha\nstate_dir: ${dir}/state\n` +
		`run_dir: ${dir}/run\nuser: root\n${more}`);
	return name;
}

function within(promise, what) {
	let timer;
	const limit = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`${what} took too long`)), LIMIT_MS);
	});
	return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// Between client and server: what a HelloRetryRequest has for a random (RFC 8446 section 4.1.3).
const RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');
async function watch(port) {
	const seen = { isRetry: false };
	const server = net.createServer((near) => {
		const far = net.connect(port, '127.0.0.1');
		far.on('data', (bytes) => { seen.isRetry ||= bytes.includes(RETRY); });
		near.pipe(far).pipe(near);
		near.on('error', () => far.destroy());
		far.on('error', () => near.destroy());
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	seen.port = server.address().port;
	seen.close = () => server.close();
	return seen;
}

// ---- x0 serves ----

// Runs use(port) against `x0 tls serve`; returns what it returned, and the events of x0 but the first.
async function served(options, use, config = plain) {
	const child = spawn(x0, ['tls', 'serve', '--json', '--config', config, '--listen', '127.0.0.1:0',
		...options]);
	const events = [];
	let text = '';
	let told;
	let missed;
	const listening = new Promise((resolve, reject) => { told = resolve; missed = reject; });
	child.stdout.on('data', (bytes) => {
		text += bytes;
		if (text.startsWith('{\n'))
			return; // an error, on several lines: told when it ends
		for (let end; (end = text.indexOf('\n')) >= 0; text = text.slice(end + 1)) {
			const event = JSON.parse(text.slice(0, end));
			event.event === 'listening' ? told(event.address) : events.push(event);
		}
	});
	child.stderr.on('data', (bytes) => process.stderr.write(bytes));
	const gone = new Promise((resolve) => child.on('exit', (status) => {
		missed(new Error(`x0 tls serve ended with ${status}: ${text}`));
		resolve();
	}));
	try {
		const address = await within(listening, 'x0 tls serve');
		const seen = await within(use(Number(address.split(':').pop())), 'the connection');
		const deadline = Date.now() + LIMIT_MS;
		while (events.length === 0 && Date.now() < deadline)
			await new Promise((resolve) => setTimeout(resolve, 10));
		return { seen, event: events[0] ?? {} };
	} finally {
		child.kill();
		await gone;
	}
}

// One connection of Node.js: { group, page } or { error }.
function connectFrom(port, options = {}) {
	return new Promise((resolve) => {
		let text = '';
		let group;
		const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
			group = socket.getEphemeralKeyInfo().name;
			socket.write('GET / HTTP/1.0\r\n\r\n');
		});
		socket.on('data', (bytes) => { text += bytes; });
		socket.on('error', (error) => resolve({ error: error.message }));
		socket.on('close', () => {
			const page = text.split('\r\n\r\n')[1];
			resolve(page ? { group, page: JSON.parse(page) } : { error: 'closed without an answer' });
		});
	});
}

async function nodeConnects() {
	let r = await served(['--anyone'], (port) => connectFrom(port));
	check('Node.js as it is negotiates X25519MLKEM768 with x0', r.seen.group === HYBRID &&
		r.seen.page.group === HYBRID && r.seen.page.group_id === 0x11ec && r.event.is_hybrid, r);

	for (const group of ['SecP256r1MLKEM768', 'SecP384r1MLKEM1024', 'X25519']) {
		r = await served(['--anyone', '--groups', `X25519MLKEM768:${group}`],
			(port) => connectFrom(port, { ecdhCurve: group }));
		check(`Node.js with ${group} alone gets it`, r.seen.page?.group === group &&
			r.event.is_hybrid === (group !== 'X25519'), r);
	}
	let seen;
	r = await served(['--anyone', '--hybrid-only'], async (port) => {
		seen = await watch(port);
		return connectFrom(seen.port, { ecdhCurve: 'X25519:X25519MLKEM768' }).finally(seen.close);
	});
	check('Node.js that sends an X25519 share is asked for a hybrid one', seen.isRetry &&
		r.seen.group === HYBRID && r.event.group === HYBRID, r);
	r = await served(['--anyone'], async (port) => {
		seen = await watch(port);
		return connectFrom(seen.port).finally(seen.close);
	});
	check('Node.js as it is need not be asked again', !seen.isRetry && r.seen.group === HYBRID, r);

	const strict = configuration('tls:\n  groups: hybrid-only\n');
	r = await served(['--anyone', '--hybrid-only'], (port) => connectFrom(port, { ecdhCurve: 'X25519' }));
	check('X25519 alone is refused with --hybrid-only', r.seen.error && r.event.event === 'refused', r);
	r = await served(['--anyone'], (port) => connectFrom(port, { ecdhCurve: 'X25519' }), strict);
	check('X25519 alone is refused by the configuration', r.seen.error && r.event.event === 'refused', r);
	r = await served(['--anyone'], (port) => connectFrom(port, { maxVersion: 'TLSv1.2' }));
	check('TLS 1.2 is refused', r.seen.error && r.event.event === 'refused', r);
	r = await served(['--anyone', '--alpn', 'h2,http/1.1'],
		(port) => connectFrom(port, { ALPNProtocols: ['http/1.1'] }));
	check('the protocol is agreed on', r.seen.page?.alpn === 'http/1.1', r);
}

const badCertificates = [
	['other-domain', 'another trust domain'],
	['expired', 'has expired'],
	['early', 'is not valid yet'],
	['two-uris', 'exactly one URI'],
	['ca', 'of an authority'],
	['stranger', 'not issued by a root'],
];

async function nodeIsJudged() {
	const trust = { ca: read('root.pem'), rejectUnauthorized: true, checkServerIdentity: (host, cert) =>
		cert.subjectaltname === `URI:${ALPHA}` ? undefined : new Error(cert.subjectaltname) };

	let r = await served(['--expect', 'beta'], (port) => connectFrom(port, { ...beta(), ...trust }));
	check('both verify each other by SPIFFE ID', r.seen.page?.peer.spiffe_id === BETA &&
		r.event.peer?.is_verified, r);
	r = await served([], (port) => connectFrom(port, { ...beta(), ca: read('other-root.pem'),
		rejectUnauthorized: true }));
	check('Node.js refuses x0 where it trusts another root', r.seen.error, r);
	r = await served(['--expect', 'gamma'], (port) => connectFrom(port, beta()));
	check('another node than expected is refused', r.seen.error &&
		r.event.why?.includes('another node than expected'), r);
	r = await served([], (port) => connectFrom(port));
	check('a client without certificate is refused', r.seen.error &&
		r.event.why?.includes('did not return a certificate'), r);
	for (const [name, why] of badCertificates) {
		r = await served([], (port) => connectFrom(port, beta(name)));
		check(`a client is refused whose certificate is: ${name}`, r.seen.error &&
			r.event.event === 'refused' && r.event.why.includes(why), r);
	}
	const forbids = configuration(`policy:\n  - forbid: session\n    from: "${BETA}"\n` +
		'  - allow: session\n    from: "spiffe://*/node/*"\n');
	r = await served([], (port) => connectFrom(port, beta()), forbids);
	check('a client is refused whom policy forbids', r.seen.error &&
		r.event.why?.includes('policy does not accept'), r);
}

// ---- Node.js serves ----

// Runs use(port) against a server of Node.js; `peer` is how it saw its one client.
async function serving(options, use) {
	const result = {};
	const server = tls.createServer({ ...beta(), ...options }, (socket) => {
		const cert = socket.getPeerCertificate();
		result.peer = { name: cert.subjectaltname, authorized: socket.authorized };
		socket.on('error', () => {});
		socket.resume();
	});
	server.on('tlsClientError', (error) => { result.error = error.message; });
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	try {
		result.seen = await within(use(server.address().port), 'x0 tls connect');
	} finally {
		server.close();
	}
	return result;
}

function connectX0(port, options = [], config = plain) {
	return new Promise((resolve) => {
		const child = spawn(x0, ['tls', 'connect', `127.0.0.1:${port}`, '--json', '--config', config,
			...options]);
		let text = '';
		child.stdout.on('data', (bytes) => { text += bytes; });
		child.stderr.on('data', (bytes) => process.stderr.write(bytes));
		child.on('exit', (status) => resolve({ status, ...JSON.parse(text) }));
	});
}

const ask = { requestCert: true, rejectUnauthorized: true };

async function x0Connects() {
	let r = await serving({}, (port) => connectX0(port));
	check('x0 negotiates X25519MLKEM768 with Node.js as it is', r.seen.status === 0 &&
		r.seen.group === HYBRID && r.seen.peer?.spiffe_id === BETA && r.seen.peer.is_verified, r);

	let seen;
	for (const [groups, only] of [['X25519:X25519MLKEM768', HYBRID],
		['X25519MLKEM768:SecP256r1MLKEM768:X25519', 'SecP256r1MLKEM768'],
		['X25519MLKEM768:SecP384r1MLKEM1024', 'SecP384r1MLKEM1024']]) {
		r = await serving({ ecdhCurve: only }, async (port) => {
			seen = await watch(port);
			return connectX0(seen.port, ['--groups', groups]).finally(seen.close);
		});
		check(`x0 with ${groups} is asked again for ${only}`, seen.isRetry && r.seen.group === only, r);
	}
	r = await serving({ ecdhCurve: 'X25519' }, (port) => connectX0(port));
	check('x0 falls back to X25519, and says that it is not post-quantum', r.seen.status === 0 &&
		r.seen.group === 'X25519' && !r.seen.is_hybrid, r);
	r = await serving({ ecdhCurve: 'X25519' }, (port) => connectX0(port, ['--hybrid-only']));
	check('x0 with --hybrid-only does not', r.seen.status === 1 && r.seen.error, r);
	r = await serving({ ecdhCurve: 'X25519' },
		(port) => connectX0(port, [], configuration('tls:\n  groups: hybrid-only\n')));
	check('nor where the configuration says so', r.seen.status === 1 && r.seen.error, r);
	r = await serving({ ALPNProtocols: ['h2'] }, (port) => connectX0(port, ['--alpn', 'http/1.1,h2']));
	check('the protocol is agreed on', r.seen.alpn === 'h2', r);
}

async function x0IsJudged() {
	let r = await serving({ ...ask, ca: read('root.pem') }, (port) => connectX0(port, ['--expect', BETA]));
	check('Node.js verifies the SVID of x0, and x0 that of Node.js', r.seen.status === 0 &&
		r.seen.is_confirmed && r.peer?.authorized && r.peer.name === `URI:${ALPHA}`, r);
	r = await serving({ ...ask, ca: read('other-root.pem') }, (port) => connectX0(port));
	check('x0 notices that its certificate is refused', r.seen.status === 1 && r.seen.error, r);
	r = await serving({ ...ask, rejectUnauthorized: false, ca: read('root.pem') },
		(port) => connectX0(port, ['--no-identity']));
	check('x0 with --no-identity shows no certificate, and verifies', r.seen.status === 0 &&
		r.seen.peer?.is_verified && r.peer && !r.peer.name, r);
	r = await serving({}, (port) => connectX0(port, ['--expect', 'gamma']));
	check('another node than expected is refused', r.seen.status === 1 &&
		r.seen.error?.message.includes('another node than expected'), r);
	for (const [name, why] of badCertificates) {
		r = await serving(beta(name), (port) => connectX0(port));
		check(`a server is refused whose certificate is: ${name}`, r.seen.status === 1 &&
			r.seen.error?.message.includes(why), r);
	}
	r = await serving({ ...beta('other-domain'), requestCert: true, rejectUnauthorized: false },
		(port) => connectX0(port, ['--insecure']));
	check('with --insecure it is not, is called unverified, and learns nothing of x0',
		r.seen.status === 0 && r.seen.peer?.is_verified === false && !r.peer?.name, r);
}

async function revocation() {
	if (spawnSync(tool, ['revoke', `${dir}/state`, BETA], { stdio: 'inherit' }).status !== 0)
		throw new Error('tls_tool revoke');
	let r = await serving({}, (port) => connectX0(port));
	check('a revoked server is refused', r.seen.error?.message.includes('has been revoked'), r);
	r = await served([], (port) => connectFrom(port, beta()));
	check('a revoked client is refused', r.seen.error && r.event.why?.includes('has been revoked'), r);
}

console.log(`Node.js ${process.version} with OpenSSL ${process.versions.openssl}`);
const plain = configuration();
if (spawnSync(x0, ['init', '--no-start', '--config', plain, '--domain', DOMAIN, '--name', 'alpha'],
	{ stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0 ||
	spawnSync(tool, ['make', `${dir}/state`, DOMAIN, dir], { stdio: 'inherit' }).status !== 0)
	throw new Error('no mesh to test with');
await nodeConnects();
await nodeIsJudged();
await x0Connects();
await x0IsJudged();
await revocation();
console.log(failed ? `${failed} FAILED` : 'all as it should be');
process.exit(failed ? 1 : 0);
