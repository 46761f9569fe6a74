// A webhook bot in Node, without packages: replies to messages and IQs.
// Run: HOOK_SECRET=whsec_… node echo.mjs PORT
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.HOOK_SECRET.replace(/^whsec_/, ""), "base64");

function isSigned(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": given = "" } = headers;
  const hmac = createHmac("sha256", key).update(`${id}.${stamp}.`).update(body);
  const wanted = Buffer.from("v1," + hmac.digest("base64"));
  const same = (one) => one.length === wanted.length && timingSafeEqual(Buffer.from(one), wanted);
  return Math.abs(Date.now() / 1000 - Number(stamp)) < 300 && given.split(" ").some(same);
}

function answer(stanza) {
  if (stanza.kind === "iq") return { version: { name: "echo.mjs", version: "1" } };
  if (stanza.type === "error" || stanza.body === undefined) return undefined;
  return { body: `you said: ${stanza.body}` };
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(request.headers, body)) return response.writeHead(401).end();
  const reply = answer(JSON.parse(body));
  if (!reply) return response.writeHead(204).end();
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(reply));
}).listen(Number(process.argv[2]), "127.0.0.1");
