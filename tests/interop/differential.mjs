// SPDX-License-Identifier: Apache-2.0
// Random ML-KEM and ML-DSA operations of all six sets, ours against those of the OpenSSL inside
// Node.js: where one makes, the other takes. Arguments: our tool, a directory (unused), how many
// operations. A disagreement prints its inputs; exit 1.
import crypto from 'node:crypto';
import { spawn } from 'node:child_process';

const [path, , count = '2000'] = process.argv.slice(2);
const wanted = Number(count);
const TOGETHER = 8; // rounds under way at once, so that both processes always have work

const OP = { levels: 0, kemPublic: 1, kemEncaps: 2, kemDecaps: 3, dsaPublic: 4, dsaSign: 5, dsaVerify: 6 };

// Object identifiers of 2.16.840.1.101.3.4, and lengths of public keys.
const KEM = [
	{ name: 'ML-KEM-512', oid: [4, 1], ek: 800, ct: 768 },
	{ name: 'ML-KEM-768', oid: [4, 2], ek: 1184, ct: 1088 },
	{ name: 'ML-KEM-1024', oid: [4, 3], ek: 1568, ct: 1568 },
];
const DSA = [
	{ name: 'ML-DSA-44', oid: [3, 17], pk: 1312 },
	{ name: 'ML-DSA-65', oid: [3, 18], pk: 1952 },
	{ name: 'ML-DSA-87', oid: [3, 19], pk: 2592 },
];

// ---- our side: requests in a row, answers in the same order ----

const tool = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = [];
let pending = Buffer.alloc(0);

tool.stdout.on('data', (bytes) => {
	pending = Buffer.concat([pending, bytes]);
	while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
		const n = pending.readUInt32BE(0);
		waiting.shift()(pending.subarray(4, 4 + n));
		pending = pending.subarray(4 + n);
	}
});
tool.on('exit', (code) => {
	if (waiting.length > 0) {
		console.error(`our tool ended (${code}) with ${waiting.length} answers owed`);
		process.exit(1);
	}
});

let levels = ['portable'];

function ours(operation, set, ...parts) {
	const body = Buffer.concat(parts);
	const head = Buffer.alloc(7);

	head[0] = operation;
	head[1] = crypto.randomInt(levels.length);
	head[2] = set;
	head.writeUInt32BE(body.length, 3);
	tool.stdin.write(Buffer.concat([head, body]));
	return new Promise((resolve) => waiting.push(resolve));
}

// ---- their side ----

function tlv(tag, ...parts) {
	const body = Buffer.concat(parts);
	const n = body.length;
	const len = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
	return Buffer.concat([Buffer.from([tag, ...len]), body]);
}
const algorithm = ([family, last]) =>
	tlv(0x30, tlv(0x06, Buffer.from([0x60, 0x86, 0x48, 1, 0x65, 3, 4, family, last])));
const publicKey = (set, raw) => crypto.createPublicKey({
	key: tlv(0x30, algorithm(set.oid), tlv(0x03, Buffer.from([0]), raw)), format: 'der', type: 'spki' });
const privateKey = (set, seed) => crypto.createPrivateKey({
	key: tlv(0x30, tlv(0x02, Buffer.from([0])), algorithm(set.oid), tlv(0x04, tlv(0x80, seed))),
	format: 'der', type: 'pkcs8' });
const rawPublic = (key, len) =>
	crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-len);
const verifies = (key, context, message, sig) =>
	crypto.verify(null, message, context.length > 0 ? { key, context } : key, sig);
const signs = (key, context, message) =>
	crypto.sign(null, message, context.length > 0 ? { key, context } : key);

// ---- comparing ----

let done = 0;
let failed = 0;
const counts = {};

function compare(what, isGood, inputs) {
	done++;
	counts[what] = (counts[what] ?? 0) + 1;
	if (isGood)
		return;
	failed++;
	console.log(`DISAGREE ${what}`);
	for (const [name, bytes] of Object.entries(inputs))
		console.log(`    ${name}: ${bytes.toString('hex')}`);
}

function flipped(bytes) {
	const changed = Buffer.from(bytes);

	changed[crypto.randomInt(changed.length)] ^= 1 << crypto.randomInt(8);
	return changed;
}

async function kemRound(i) {
	const set = KEM[i];
	const seed = crypto.randomBytes(64);
	const m = crypto.randomBytes(32);
	const key = privateKey(set, seed);
	const theirEk = rawPublic(key, set.ek);
	const ourEk = await ours(OP.kemPublic, i, seed);

	compare(`${set.name}: one seed, one key`, ourEk.equals(theirEk), { seed });
	const made = await ours(OP.kemEncaps, i, theirEk, m);
	const ct = made.subarray(0, set.ct);
	const ss = made.subarray(set.ct);
	compare(`${set.name}: we encapsulate, they decapsulate`,
		ss.length === 32 && crypto.decapsulate(key, ct).equals(ss), { seed, m });
	const sent = crypto.encapsulate(publicKey(set, ourEk));
	compare(`${set.name}: they encapsulate, we decapsulate`,
		(await ours(OP.kemDecaps, i, seed, sent.ciphertext)).equals(sent.sharedKey),
		{ seed, ciphertext: sent.ciphertext });
	const changed = flipped(ct);
	const rejected = await ours(OP.kemDecaps, i, seed, changed);
	compare(`${set.name}: a changed ciphertext gives both one other secret`,
		crypto.decapsulate(key, changed).equals(rejected) && !rejected.equals(ss),
		{ seed, ciphertext: changed });
}

const verifyOurs = async (i, pk, sig, context, message) =>
	(await ours(OP.dsaVerify, i, pk, sig, Buffer.from([context.length]), context, message))[0] === 1;

async function dsaRound(i) {
	const set = DSA[i];
	const seed = crypto.randomBytes(32);
	const rnd = crypto.randomBytes(32);
	const context = crypto.randomBytes(crypto.randomInt(4) === 0 ? 0 : crypto.randomInt(256));
	const message = crypto.randomBytes(crypto.randomInt(500));
	const key = privateKey(set, seed);
	const pk = rawPublic(key, set.pk);
	const inputs = { seed, rnd, context, message };

	compare(`${set.name}: one seed, one key`, (await ours(OP.dsaPublic, i, seed)).equals(pk), inputs);
	const sig = await ours(OP.dsaSign, i, seed, rnd, Buffer.from([context.length]), context, message);
	const theirPk = publicKey(set, pk);
	compare(`${set.name}: we sign, they verify`, verifies(theirPk, context, message, sig), inputs);
	const theirSig = signs(key, context, message);
	compare(`${set.name}: they sign, we verify`, await verifyOurs(i, pk, theirSig, context, message),
		{ ...inputs, signature: theirSig });
	const bad = flipped(crypto.randomInt(2) ? sig : theirSig);
	compare(`${set.name}: a changed signature is refused by both`,
		!verifies(theirPk, context, message, bad) && !await verifyOurs(i, pk, bad, context, message),
		{ ...inputs, signature: bad });
	const other = Buffer.concat([message, Buffer.from([0])]);
	compare(`${set.name}: another message is refused by both`,
		!verifies(theirPk, context, other, sig) && !await verifyOurs(i, pk, sig, context, other),
		{ ...inputs, signature: sig });
}

// ---- all of it ----

const began = Date.now();
let toldAt = began;

function progress() {
	if (Date.now() - toldAt < 10000)
		return;
	toldAt = Date.now();
	console.error(`${done} of ${wanted} operations, ${failed} disagree, ${Math.round((toldAt - began) / 1000)} s`);
}

async function worker() {
	while (done < wanted) {
		for (const i of [0, 1, 2]) {
			await kemRound(i);
			await dsaRound(i);
		}
		progress();
	}
}

levels = (await ours(OP.levels, 0)).toString().split(' ');
console.log(`Node.js ${process.version}, OpenSSL ${process.versions.openssl}; our levels: ${levels.join(', ')}`);
await Promise.all(Array.from({ length: TOGETHER }, worker));
tool.stdin.end();
for (const [what, n] of Object.entries(counts))
	console.log(`${String(n).padStart(7)} ${what}`);
console.log(`${done} operations in ${Math.round((Date.now() - began) / 1000)} s, ${failed} disagree`);
process.exit(failed ? 1 : 0);
