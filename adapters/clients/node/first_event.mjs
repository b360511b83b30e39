// The first event: a card is registered, numbered once however often this runs, and recorded by the hub.
//
//   node first_event.mjs HOST:PORT CERTIFICATES PARTICIPANT FEED
import { join } from "node:path";
import { FeedSender, HubConnection, mutualTls, Outbox, Receipts } from "chuanyu-exchange-client";

const [target, certificates, participant, feed] = process.argv.slice(2);
if (!feed) throw new Error("node first_event.mjs HOST:PORT CERTIFICATES PARTICIPANT FEED");
const file = (name) => join(certificates, name);
const credentials = mutualTls(file("ca.crt"), file(`${participant}.crt`), file(`${participant}.key`));
const connection = new HubConnection([target], credentials);
const outbox = new Outbox("outbox.log"), receipts = new Receipts("outbox.receipts");
const sender = new FeedSender(outbox, connection, feed, receipts).start();
const event = {
  occurred_at: "2025-09-01T08:00:00+08:00",
  source: { system: "first-event" },
  issuer_region: "500199",
  card: { issuing_province: "50", kind: "CARD_IDENTIFIER_KIND_CARD_NO", clear: "F00000001" },
  card_registered: { status: "SOCIAL_STATUS_ACTIVE", generation: "CARD_GENERATION_THIRD", card_kind: "CARD_KIND_REGULAR" },
};
const [{ sequence, isNew }] = sender.put([{ key: "registered F00000001", event }]);
await sender.acknowledged(sequence);
const broken = outbox.quarantined(feed, sequence);
console.log(`${feed} ${sequence} ${isNew ? "new" : "sent before"}: ${broken.length ? `quarantined ${broken.join("; ")}` : "recorded"}`);
await sender.stop();
receipts.close();
outbox.close();
connection.close();
