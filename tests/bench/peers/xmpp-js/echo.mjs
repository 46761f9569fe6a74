// Echo component on xmpp.js.  Usage: node echo.mjs PORT
import { component, xml } from "@xmpp/component";

const xmpp = component({
  service: `xmpp://127.0.0.1:${process.argv[2]}`,
  domain: "echo.localhost",
  password: "s3cr3t",
});

xmpp.middleware.use(async ({ stanza }, next) => {
  if (!stanza.is("message")) return next();
  const { from, to, id, type } = stanza.attrs;
  const body = stanza.getChildText("body");
  if (type === "error" || body === null) return;
  await xmpp.send(xml("message", { from: to, to: from, id, type }, xml("body", {}, body)));
});

xmpp.iqCallee.get("urn:xmpp:ping", "ping", () => true);

const INFO = "http://jabber.org/protocol/disco#info";
xmpp.iqCallee.get(INFO, "query", () =>
  xml(
    "query",
    { xmlns: INFO },
    xml("identity", { category: "component", type: "generic", name: "echo" }),
    xml("feature", { var: INFO }),
    xml("feature", { var: "urn:xmpp:ping" }),
  ),
);

const JSON_NS = "urn:xmpp:json:0";
xmpp.iqCallee.set(JSON_NS, "json", ({ element }) =>
  xml("json", { xmlns: JSON_NS }, JSON.stringify(JSON.parse(element.getText()))),
);

const BENCH = "urn:campanile:bench";
xmpp.iqCallee.set(BENCH, "order", ({ element }) => {
  const order = {
    item: element.attrs.item,
    quantity: Number(element.attrs.quantity),
    express: element.attrs.express === "true",
    note: element.getChildText("note"),
  };
  const { item, quantity, express, note } = order;
  return xml("order", { xmlns: BENCH, item, quantity: String(quantity), express: String(express) }, xml("note", {}, note));
});

xmpp.on("error", (error) => console.error(error));
await xmpp.start();
