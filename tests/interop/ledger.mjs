// SPDX-License-Identifier: Apache-2.0
// The ML-DSA-44 signature of a checkpoint, verified by the OpenSSL inside Node.js over a message
// put together here from c2sp.org/tlog-cosignature. Arguments: the ledger's tool, a directory.
import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import assert from 'node:assert'

const [tool, work] = process.argv.slice(2)
const ledger = `${work}/ledger`
execFileSync(tool, [ledger])

const vkey = readFileSync(`${ledger}/verifiers`, 'utf8').split('\n')[1]
const [name, id] = vkey.split('+')
const bytes = Buffer.from(vkey.slice(name.length + id.length + 2), 'base64')
assert.equal(bytes[0], 0x06)
const hash = createHash('sha256').update(`${name}\n`).update(bytes).digest()
assert.equal(hash.subarray(0, 4).toString('hex'), id)
// SubjectPublicKeyInfo of id-ml-dsa-44 (RFC 9881)
const spki = Buffer.from('30820532300b060960864801650304031103820521' + '00', 'hex')
const key = createPublicKey({
	key: Buffer.concat([spki, bytes.subarray(1)]), format: 'der', type: 'spki',
})

const [text, signatures] = readFileSync(`${ledger}/checkpoint`, 'utf8').split('\n\n')
const [origin, size, root] = text.split('\n')
const mine = signatures.split('\n').map((line) => line.split(' '))
	.filter((part) => part[0] === '\u2014' && part[1] === name)
	.map((part) => Buffer.from(part[2], 'base64'))
	.find((signature) => signature.subarray(0, 4).toString('hex') === id)
assert.equal(mine.length, 4 + 8 + 2420)
const number = (value) => {
	const eight = Buffer.alloc(8)
	eight.writeBigUInt64BE(BigInt(value))
	return eight
}
const short = (value) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
const message = Buffer.concat([
	Buffer.from('subtree/v1\n\0'), short(name), mine.subarray(4, 12), short(origin),
	number(0), number(size), Buffer.from(root, 'base64'),
])
assert.ok(verify(null, message, key, mine.subarray(12)))
message[message.length - 1] ^= 1
assert.ok(!verify(null, message, key, mine.subarray(12)))
console.log('the ML-DSA-44 signature of the checkpoint was verified by Node.js', process.version)
