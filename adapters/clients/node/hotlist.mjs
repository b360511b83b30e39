// The offline hotlist: the newest list is taken, verified and kept, and cards are answered without the hub.
//
//   node hotlist.mjs HOST:PORT CERTIFICATES PARTICIPANT PUBLIC_KEY NAME…       (NAME such as "card|51|S00000123")
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cursor, Hotlist, HubConnection, mutualTls, takeDeltas, takeSnapshot } from "chuanyu-exchange-client";

const [target, certificates, participant, publicKey, ...names] = process.argv.slice(2);
if (!publicKey) throw new Error("node hotlist.mjs HOST:PORT CERTIFICATES PARTICIPANT PUBLIC_KEY NAME…");
const file = (name) => join(certificates, name);
const connection = new HubConnection([target], mutualTls(file("ca.crt"), file(`${participant}.crt`), file(`${participant}.key`)));
const key = Buffer.from(publicKey, "hex");
const snapshot = await takeSnapshot(connection);
const deltas = await takeDeltas(connection, new Hotlist(key, snapshot).epoch);
const highest = new Cursor("hotlist.epoch");
const list = Hotlist.read(key, snapshot, deltas, highest.position);
// What a gate reads again when it starts without the hub.
writeFileSync("hotlist.snapshot", snapshot);
deltas.forEach((delta, index) => writeFileSync(`hotlist.delta-${index + 1}`, delta));
highest.keep(list.epoch);
for (const name of names) console.log(`${name} ${list.answer(name)}`);
connection.close();
