// A client in another language, made of the .proto files alone: appends two events, resends them, opens a gap, asks once.
//
//   node client.mjs TARGET CERTIFICATES PARTICIPANT FEED PROTOS…
//
// Prints one JSON document with what it was told.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [target, certificates, participant, feed, ...includeDirs] = process.argv.slice(2);
const file = (name) => readFileSync(join(certificates, name));

const definition = protoLoader.loadSync(
  ["chuanyu/exchange/v1/feed_service.proto", "chuanyu/exchange/v1/card_service.proto"],
  { includeDirs, keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true },
);
const { FeedService, CardService } = grpc.loadPackageDefinition(definition).chuanyu.exchange.v1;
const credentials = grpc.credentials.createSsl(file("ca.crt"), file(`${participant}.key`), file(`${participant}.crt`));
const feeds = new FeedService(target, credentials);
const cards = new CardService(target, credentials);

const call = (service, method, request) =>
  new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 20_000);
    service[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

const card = { issuing_province: "50", kind: "CARD_IDENTIFIER_KIND_CARD_NO", clear: "N00000001" };
const registered = {
  occurred_at: { seconds: 1756690215, nanos: 500_000_000 },
  source: { system: "node" },
  card,
  issuer_region: "500199",
  card_registered: {
    status: "SOCIAL_STATUS_ACTIVE",
    generation: "CARD_GENERATION_THIRD",
    card_kind: "CARD_KIND_REGULAR",
    transit_enabled: true,
  },
};
const ride = {
  occurred_at: { seconds: 1756690275 },
  card,
  service_region: "500103",
  scenario: "TRA.MET",
  medium: "MEDIUM_CONTACTLESS",
  transit_journey_completed: { tap: { mode: "TRANSIT_MODE_METRO", purse_counter: 137 }, fare_paid_fen: 360 },
};

const report = {};
report.before = await call(feeds, "GetFeed", { feed });
report.appended = await call(feeds, "AppendEvents", { feed, first_sequence: 1, events: [registered, ride] });
report.resent = await call(feeds, "AppendEvents", { feed, first_sequence: 1, events: [registered, ride] });
report.gap = await call(feeds, "AppendEvents", { feed, first_sequence: 9, events: [ride] }).catch((error) => ({
  code: grpc.status[error.code],
  details: error.metadata.get("grpc-status-details-bin").length,
}));
report.streamed = await new Promise((resolve, reject) => {
  const answers = [];
  const stream = feeds.StreamEvents();
  stream.on("data", (answer) => answers.push({ first_sequence: answer.first_sequence, result: answer.result }));
  stream.on("end", () => resolve(answers));
  stream.on("error", reject);
  stream.write({ feed, first_sequence: 3, events: [ride] });
  stream.write({ feed, first_sequence: 9, events: [ride] });
  stream.write({ feed, first_sequence: 4, events: [ride] });
  stream.end();
});
report.checked = await call(cards, "CheckAcceptance", {
  request_id: "node-1",
  card,
  scenario: "TRA.MET",
  service_region: "500103",
  medium: "MEDIUM_CONTACTLESS",
  min_position: report.appended.positions[1],
});
report.lives = (await call(cards, "GetCard", { card, min_position: report.appended.positions[1] })).lives;
feeds.close();
cards.close();
console.log(JSON.stringify(report));
