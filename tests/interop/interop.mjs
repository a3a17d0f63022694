// SPDX-License-Identifier: Apache-2.0
// Compares our cryptography with that of Node.js (OpenSSL 3.5), both ways, file by file.
// Arguments: our tool, an empty directory. Prints a line per check; exit 1 if one fails.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';

const [tool, dir] = process.argv.slice(2);
let failed = 0;
let names = 0;

function check(what, isGood) {
	console.log(`${isGood ? 'ok  ' : 'FAIL'} ${what}`);
	failed += isGood ? 0 : 1;
}

function put(bytes) {
	const name = path.join(dir, `in${names++}`);
	fs.writeFileSync(name, bytes);
	return name;
}

// Runs our tool on byte strings; returns its outputs, or null when it refuses.
function ours(command, inputs, nOutputs = 0) {
	const outputs = Array.from({ length: nOutputs }, () => path.join(dir, `out${names++}`));
	const run = spawnSync(tool, [command, ...inputs.map(put), ...outputs]);
	if (run.status > 1 || run.status === null)
		throw new Error(`${command}: ${run.error ?? run.stderr}`);
	return run.status === 0 ? outputs.map((name) => fs.readFileSync(name)) : null;
}

// DER by hand, so that neither side's encoder is trusted for the forms it does not write.
function tlv(tag, ...parts) {
	const body = Buffer.concat(parts);
	const len = body.length < 128 ? [body.length]
		: body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
	return Buffer.concat([Buffer.from([tag, ...len]), body]);
}
const oid = (family, last) => tlv(0x30, tlv(0x06, Buffer.from([0x60, 0x86, 0x48, 1, 0x65, 3, 4, family, last])));
const MLKEM768 = oid(4, 2);
const MLDSA65 = oid(3, 18);
const spki = (algorithm, key) => tlv(0x30, algorithm, tlv(0x03, Buffer.from([0]), key));
const pkcs8 = (algorithm, inner) => tlv(0x30, tlv(0x02, Buffer.from([0])), algorithm, tlv(0x04, inner));
const forms = (seed, expanded) => ({
	'seed only': tlv(0x80, seed),
	expanded: tlv(0x04, expanded),
	both: tlv(0x30, tlv(0x04, seed), tlv(0x04, expanded)),
});

const publicKey = (der) => crypto.createPublicKey({ key: der, format: 'der', type: 'spki' });
const privateKey = (der) => crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
const exportSpki = (key) => key.export({ format: 'der', type: 'spki' });
const exportPkcs8 = (key) => key.export({ format: 'der', type: 'pkcs8' });
const jwk = (key, part) => Buffer.from(key.export({ format: 'jwk' })[part], 'base64url');
const rawPublic = (key, len) => exportSpki(key).subarray(-len);

function kem() {
	const theirs = crypto.generateKeyPairSync('ml-kem-768');
	const theirEk = rawPublic(theirs.publicKey, 1184);
	const theirSeed = jwk(theirs.privateKey, 'priv');

	check('their encapsulation key has our length', theirEk.length === 1184 && theirSeed.length === 64);
	check('one seed gives both the same key', ours('kem-public', [theirSeed], 1)[0].equals(theirEk));

	const [ct, ss] = ours('kem-encapsulate', [theirEk], 2);
	check('we encapsulate, they decapsulate', crypto.decapsulate(theirs.privateKey, ct).equals(ss));

	const ourSeed = crypto.randomBytes(64);
	const [ourEk] = ours('kem-public', [ourSeed], 1);
	const sent = crypto.encapsulate(publicKey(spki(MLKEM768, ourEk)));
	const [got] = ours('kem-decapsulate', [ourSeed, sent.ciphertext], 1);
	check('they encapsulate, we decapsulate', got.equals(sent.sharedKey));

	const changed = Buffer.from(ct);
	changed[500] ^= 1;
	const [rejected] = ours('kem-decapsulate', [theirSeed, changed], 1);
	check('a changed ciphertext gives both the same useless secret',
		crypto.decapsulate(theirs.privateKey, changed).equals(rejected) && !rejected.equals(ss));
}

const message = Buffer.from('a message for both');
const contexts = [Buffer.alloc(0), Buffer.from('x0 handshake 1 initiator'), Buffer.alloc(255, 'c')];
const theirSign = (key, context) =>
	crypto.sign(null, message, context.length ? { key, context } : key);
const theirVerify = (key, context, sig) =>
	crypto.verify(null, message, context.length ? { key, context } : key, sig);

function signatures() {
	const theirs = crypto.generateKeyPairSync('ml-dsa-65');
	const theirPk = rawPublic(theirs.publicKey, 1952);
	const ourPem = ours('key-write', [crypto.randomBytes(32)], 1)[0];
	const [ourPk] = ours('key-public', [ourPem], 1);
	const ourPublic = publicKey(spki(MLDSA65, ourPk));

	for (const context of contexts) {
		const name = `context of ${context.length} bytes`;
		const [sig] = ours('sign', [ourPem, context, message], 1);
		check(`we sign, they verify, ${name}`, theirVerify(ourPublic, context, sig));
		check(`they refuse it in another context, ${name}`,
			!theirVerify(ourPublic, Buffer.from('another'), sig));

		const back = theirSign(theirs.privateKey, context);
		check(`they sign, we verify, ${name}`, ours('verify', [theirPk, context, message, back]));
		check(`we refuse it in another context, ${name}`,
			!ours('verify', [theirPk, Buffer.from('another'), message, back]));
		back[100] ^= 1;
		check(`we refuse a changed one, ${name}`, !ours('verify', [theirPk, context, message, back]));
	}
}

// The seed and the expanded key out of the form that holds both, which is what we write.
function takeApart(pem) {
	const der = Buffer.from(pem.toString().replace(/-----[^-]+-----|\n/g, ''), 'base64');
	return { der, seed: der.subarray(-4032 - 4 - 32, -4032 - 4), expanded: der.subarray(-4032) };
}

function keyFiles() {
	const seed = crypto.randomBytes(32);
	const [pem] = ours('key-write', [seed], 1);
	const parts = takeApart(pem);
	const none = Buffer.alloc(0);

	check('our key file holds the seed we gave', parts.seed.equals(seed));
	check('our key file is the DER written by hand',
		parts.der.equals(pkcs8(MLDSA65, forms(seed, parts.expanded).both)));
	check('they read our PEM', crypto.createPrivateKey(pem).asymmetricKeyType === 'ml-dsa-65');
	const [pk] = ours('key-public', [pem], 1);
	for (const [name, inner] of Object.entries(forms(seed, parts.expanded))) {
		const der = pkcs8(MLDSA65, inner);
		const theirs = privateKey(der);

		check(`both read the form "${name}" as the same key`,
			rawPublic(crypto.createPublicKey(theirs), 1952).equals(pk) &&
			ours('key-public', [der], 1)[0].equals(pk));
		const again = exportPkcs8(theirs);
		check(`what they write of "${name}" (${again.length} bytes) loads here`,
			ours('key-public', [again], 1)?.[0].equals(pk));
		check(`a key loaded as "${name}" signs for the other side`,
			theirVerify(publicKey(spki(MLDSA65, pk)), none, ours('sign', [der, none, message], 1)[0]) &&
			ours('verify', [pk, none, message, theirSign(theirs, none)]));
	}
	const generated = crypto.generateKeyPairSync('ml-dsa-65');
	check('a key they generated loads here',
		ours('key-public', [exportPkcs8(generated.privateKey)], 1)?.[0]
			.equals(rawPublic(generated.publicKey, 1952)));
}

function certificates() {
	if (spawnSync(tool, ['make-domain', dir]).status !== 0)
		throw new Error('make-domain');
	const read = (name) => new crypto.X509Certificate(fs.readFileSync(path.join(dir, name)));
	const root = read('root.der');
	const svid = read('svid.der');

	check('they read our root as an authority', root.ca && root.publicKey.asymmetricKeyType === 'ml-dsa-65');
	check('they read our SVID as a leaf', !svid.ca && svid.publicKey.asymmetricKeyType === 'ml-dsa-65');
	check('the SVID names its SPIFFE ID', svid.subjectAltName === 'URI:spiffe://interop.example/node/alpha');
	check('the root signed itself', root.verify(root.publicKey) && root.checkIssued(root));
	check('the root issued and signed the SVID', svid.checkIssued(root) && svid.verify(root.publicKey));
	check('the SVID did not sign itself', !svid.verify(svid.publicKey));
	check('the key file is the SVID\'s',
		svid.checkPrivateKey(crypto.createPrivateKey(fs.readFileSync(path.join(dir, 'key.pem')))));
}

console.log(`Node.js ${process.version} with OpenSSL ${process.versions.openssl}`);
kem();
signatures();
keyFiles();
certificates();
console.log(failed ? `${failed} FAILED` : 'all agree');
process.exit(failed ? 1 : 0);
