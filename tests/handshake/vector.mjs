// SPDX-License-Identifier: Apache-2.0
// The handshake a second time, in another language: recomputes every message and key of
// vector.json from its seeds. ML-KEM and ML-DSA are taken from the vector (shared secret,
// signatures) where this Node.js has neither; their own tests are elsewhere.
import { createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey,
	diffieHellman } from 'node:crypto';
import { readFileSync } from 'node:fs';

const v = Object.fromEntries(Object.entries(JSON.parse(readFileSync(process.argv[2])))
	.map(([key, text]) => [key, Buffer.from(text, 'hex')]));
let passed = 0;

function check(name, bytes, wanted = v[name]) {
	if (Buffer.compare(bytes, wanted) !== 0) {
		console.error(`${name} differs:\n ${bytes.toString('hex')}\n ${wanted.toString('hex')}`);
		process.exit(1);
	}
	passed++;
}

const cat = (...parts) => Buffer.concat(parts.map((p) => typeof p === 'string' ? Buffer.from(p) : p));
const H = (...parts) => createHash('sha256').update(cat(...parts)).digest();
const HMAC = (key, ...parts) => createHmac('sha256', key).update(cat(...parts)).digest();
const X = (salt, ikm) => HMAC(salt, ikm);
function E(prk, info, length) {
	let out = Buffer.alloc(0), block = Buffer.alloc(0);
	for (let i = 1; out.length < length; i++) {
		block = HMAC(prk, block, info, Buffer.from([i]));
		out = cat(out, block);
	}
	return out.subarray(0, length);
}

// X25519 with raw keys, wrapped as PKCS#8 and SPKI (RFC 8410)
const secretKey = (raw) => createPrivateKey({ format: 'der', type: 'pkcs8',
	key: cat(Buffer.from('302e020100300506032b656e04220420', 'hex'), raw) });
const publicKey = (raw) => createPublicKey({ format: 'der', type: 'spki',
	key: cat(Buffer.from('302a300506032b656e032100', 'hex'), raw) });
const x25519Public = (raw) => createPublicKey(secretKey(raw)).export({ format: 'der', type: 'spki' })
	.subarray(-32);
const x25519 = (secret, peer) => diffieHellman({ privateKey: secretKey(secret), publicKey: publicKey(peer) });

// SipHash-2-4, 128-bit output
function sip(key, message) {
	const mask = (1n << 64n) - 1n;
	const rotl = (x, n) => ((x << n) | (x >> (64n - n))) & mask;
	const k0 = key.readBigUInt64LE(0), k1 = key.readBigUInt64LE(8);
	let [a, b, c, d] = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn ^ 0xeen,
		k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n];
	const rounds = (n) => {
		for (; n > 0; n--) {
			a = (a + b) & mask; b = rotl(b, 13n) ^ a; a = rotl(a, 32n);
			c = (c + d) & mask; d = rotl(d, 16n) ^ c;
			a = (a + d) & mask; d = rotl(d, 21n) ^ a;
			c = (c + b) & mask; b = rotl(b, 17n) ^ c; c = rotl(c, 32n);
		}
	};
	const padded = cat(message, Buffer.alloc(8 - message.length % 8));
	padded[padded.length - 1] = message.length & 0xff;
	for (let i = 0; i < padded.length; i += 8) {
		const word = padded.readBigUInt64LE(i);
		d ^= word; rounds(2); a ^= word;
	}
	const out = Buffer.alloc(16);
	c ^= 0xeen; rounds(4); out.writeBigUInt64LE(a ^ b ^ c ^ d, 0);
	b ^= 0xddn; rounds(4); out.writeBigUInt64LE(a ^ b ^ c ^ d, 8);
	return out;
}

let h, ck, k, n;
const mixHash = (data) => { h = H(h, data); };
const mixKey = (ikm) => { const out = E(X(ck, ikm), '', 64); ck = out.subarray(0, 32); k = out.subarray(32); n = 0; };
function seal(text) {
	const nonce = Buffer.alloc(12);
	nonce.writeBigUInt64LE(BigInt(n++), 4);
	const cipher = createCipheriv('chacha20-poly1305', k, nonce, { authTagLength: 16 });
	cipher.setAAD(h, { plaintextLength: text.length });
	const sealed = cat(cipher.update(text), cipher.final(), cipher.getAuthTag());
	mixHash(sealed);
	return sealed;
}
function params(aead, lanes, bootEpoch) {
	const p = Buffer.alloc(16);
	p.set([1, 1, aead, lanes]);
	p.writeBigUInt64BE(BigInt(bootEpoch), 8);
	return p;
}
const chain = (der) => { const c = cat(Buffer.from([1, 0, der.length]), der); return cat(Buffer.from([0, c.length]), c); };

const p = X('x0 nk 1', v.nk);
check('psk', E(p, 'psk', 32));
check('kmac', E(p, 'mac1', 16));
check('kcookie', E(p, 'cookie', 32));

h = ck = H('Noise_NNpsk0+hfs_25519+MLKEM768_ChaChaPoly_SHA256');
check('prologue', cat('x0 handshake 1\0', Buffer.from('010102030405060708111213141516171811223344', 'hex')));
mixHash(v.prologue);
{
	const out = E(X(ck, v.psk), '', 96);
	ck = out.subarray(0, 32); mixHash(out.subarray(32, 64)); k = out.subarray(64); n = 0;
}

// M1
const eI = x25519Public(v.initiator_x25519);
mixHash(eI); mixKey(eI);
check('m1', cat(eI, seal(v.ek), seal(params(3, 0, 0))));

// M2
mixHash(v.responder_index);
const eR = x25519Public(v.responder_x25519);
mixHash(eR); mixKey(eR);
mixKey(x25519(v.responder_x25519, eI));
const exchange = cat(eR, seal(v.ct));
mixKey(v.ss);
check('hk', h);
const ms = X(h, ck);
check('kc_responder', E(ms, 'x0 confirm responder', 32));
check('kc_initiator', E(ms, 'x0 confirm initiator', 32));
const params2 = params(2, 4, 1800000000);
check('t_r', H('x0 auth responder\0', v.hk, params2, v.warm, H(v.responder_certificate)));

// The signature is inside the sealed payload: opened here with the same key stream.
function open(sealed) {
	const nonce = Buffer.alloc(12);
	nonce.writeBigUInt64LE(BigInt(n), 4);
	const cipher = createCipheriv('chacha20-poly1305', k, nonce, { authTagLength: 16 });
	return cipher.update(sealed.subarray(0, -16));
}
const sigR = open(v.m2.subarray(exchange.length)).subarray(-(3309 + 32), -32);
check('cf_r', HMAC(v.kc_responder, v.t_r, H(sigR)));
check('m2', cat(exchange, seal(cat(params2, v.warm, chain(v.responder_certificate), sigR, v.cf_r))));
check('h3', h);

// M3
const params3 = params(2, 2, 1700000000);
check('t_i', H('x0 auth initiator\0', h, v.t_r, v.cf_r, params3, H(v.initiator_certificate)));
const sigI = open(v.m3).subarray(-(3309 + 32), -32);
check('cf_i', HMAC(v.kc_initiator, v.t_i, H(sigI)));
check('m3', seal(cat(params3, chain(v.initiator_certificate), sigI, v.cf_i)));
check('h4', h);
check('ck', ck);
check('s_0', X(H('x0 session\0', h, v.t_i, v.cf_i), ck));

// The first datagram of M1 with both macs
const header = Buffer.from('01010009112233440000000004f00000', 'hex');
const covered = cat(header, v.m1.subarray(0, 1184));
const mac1 = sip(v.kmac, covered);
check('first_datagram', cat(covered, mac1, sip(v.cookie, cat(covered, mac1))));
console.log(`${passed} values agree`);
