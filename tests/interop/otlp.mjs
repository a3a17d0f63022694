// SPDX-License-Identifier: Apache-2.0
// Decodes what a daemon has sent with the official protos, as OpenTelemetry's own package has them.
// Arguments: its node_modules, a directory of bodies. Prints what tests/support/collector.py prints.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [modules, directory] = process.argv.slice(2);
const require = createRequire(path.join(modules, 'x.js'));
const root = require(path.join(modules, '@opentelemetry/otlp-transformer/build/src/generated/root.js'));
const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

const hex = (bytes) => Buffer.from(bytes ?? []).toString('hex');
const number = (v) => (typeof v === 'object' && v !== null ? v.toString() : String(v));
function value(v) {
  if (v.stringValue !== undefined && v.stringValue !== null) return v.stringValue;
  if (v.boolValue !== undefined && v.boolValue !== null) return v.boolValue;
  return Number(number(v.intValue));
}
const attributes = (list) => Object.fromEntries(list.map((a) => [a.key, value(a.value)]));

// Nanoseconds are more than a double holds: written as they are.
const spans = [];
for (const file of fs.readdirSync(directory).filter((f) => f.endsWith('.bin')).sort()) {
  const request = Request.decode(fs.readFileSync(path.join(directory, file)));
  for (const r of request.resourceSpans)
    for (const s of r.scopeSpans.flatMap((scope) => scope.spans))
      spans.push(`{"trace":"${hex(s.traceId)}","span":"${hex(s.spanId)}","parent":"${hex(s.parentSpanId)}",` +
        `"name":${JSON.stringify(s.name)},"kind":${s.kind},"start":${number(s.startTimeUnixNano)},` +
        `"end":${number(s.endTimeUnixNano)},"attributes":${JSON.stringify(attributes(s.attributes))},` +
        `"error":${s.status?.code === 2 ? JSON.stringify(s.status.message) : 'null'},` +
        `"resource":${JSON.stringify(attributes(r.resource.attributes))}}`);
}
console.log(`[${spans.join(',')}]`);
