// SPDX-License-Identifier: Apache-2.0
// A client made from the OpenAPI document goes through every operation of it; what comes is of the
// type that the document says. Arguments: node_modules, the document, the API, the token's file, a peer.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, file, base, tokenFile, peer] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const { OpenAPIClientAxios } = require("openapi-client-axios");
const definition = JSON.parse(readFileSync(file, "utf8"));
const token = readFileSync(tokenFile, "utf8").trim();

async function clientWith(headers) {
	const api = new OpenAPIClientAxios({
		definition,
		withServer: { url: base },
		axiosConfigDefaults: { headers, validateStatus: () => true, proxy: false },
	});
	return api.init();
}

const viewer = await clientWith({});
const owner = await clientWith({ Authorization: `Bearer ${token}` });
const gone = new Set();

async function call(client, id, status, parameters = null, body = null) {
	const answer = await client[id](parameters, body);
	assert.equal(answer.status, status, `${id}: ${answer.status} ${JSON.stringify(answer.data)}`);
	gone.add(id);
	return answer;
}

// What is read, without the token: each of them, and of the type that the document says. A parameter
// is the peer's name, but for these; and where nothing has gone wrong there is no incident.
const values = { kind: "link_loss", incident: "1" };
for (const [path, methods] of Object.entries(definition.paths)) {
	const operation = methods.get;
	if (!operation || operation.operationId === "socket") continue;
	const parameters = Object.fromEntries(
		operation.parameters.filter((p) => p.required).map((p) => [p.name, values[p.name] ?? peer]),
	);
	if (operation.operationId === "incident") {
		const { data } = await call(viewer, "incident", 404, parameters);
		assert.equal(data.code, "not_found");
		continue;
	}
	const { data } = await call(viewer, operation.operationId, 200, parameters);
	const said = operation.responses["200"].content;
	const type = said["application/json"]?.schema.type ?? "string";
	const is = Array.isArray(data) ? "array" : typeof data;
	assert.equal(is, type, `${path} is ${is}, and not ${type}`);
}

// What changes something: refused without the token, and the bounds of the document are those in force.
for (const methods of Object.values(definition.paths)) {
	for (const [method, operation] of Object.entries(methods)) {
		if (method === "get" || operation.security) continue;
		const parameters = Object.fromEntries(operation.parameters.map((p) => [p.name, peer]));
		await call(viewer, operation.operationId, 401, parameters, operation.requestBody ? {} : null);
		const schema = operation.requestBody?.content["application/json"].schema;
		for (const [field, rule] of Object.entries(schema?.properties ?? {})) {
			const wrong = rule.type === "integer" ? rule.maximum + 1
				: rule.type === "array" ? Array(rule.maxItems + 1).fill("x")
				: "x".repeat(rule.maxLength + 1);
			const { data } = await call(owner, operation.operationId, 422, {}, { [field]: wrong });
			assert.equal(data.errors[0].field, field, `${operation.operationId}: ${JSON.stringify(data)}`);
		}
		if (schema)
			await call(owner, operation.operationId, 422, {}, { noSuchField: 1 });
	}
}

// A round trip: what was written is read again.
const { data: invited } = await call(owner, "invite", 200, {}, { uses: 3, lifetime_s: 60 });
assert.match(invited.invitation, /^x0:\/\//);
assert.equal(invited.uses, 3);
const { data: reason } = await call(viewer, "policyExplain", 200, {}, { from: peer, action: "ping" });
assert.equal(reason.effect, "allow");
const { data: refused } = await call(owner, "exitUse", 409, {}, { name: peer }); // which offers none
assert.equal(refused.code, "not_accepted");
await call(owner, "exitOff", 200);
await call(owner, "nodeRotate", 200);
await call(owner, "configReload", 200);
const lock = await owner.keyLock(); // the authority of the test has no passphrase to lock with
assert.ok([200, 409, 422].includes(lock.status), `keyLock: ${lock.status}`);
gone.add("keyLock");
const { data: revoked } = await call(owner, "nodeRevoke", 200, { name: peer });
assert.equal(revoked.revoked, peer);
const { data: nodes } = await call(viewer, "nodeList", 200);
assert.ok(nodes.find((n) => n.node === peer).is_revoked);

for (const methods of Object.values(definition.paths))
	for (const { operationId } of Object.values(methods))
		assert.ok(gone.has(operationId) || operationId === "socket", `${operationId} was not tried`);
console.log(`${gone.size} operations, each by the client made from the document`);
