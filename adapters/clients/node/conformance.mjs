// A client under trial: does the steps that the conformance kit gives it, and writes a line of results for each.
//
//   hub conformance run --target "node conformance.mjs" --out report
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FeedSender, Hotlist, HubConnection, mutualTls, Outbox, Receipts, Subscriber, takeSnapshot } from "chuanyu-exchange-client";

const given = (name) => {
  const value = process.env[`CONFORMANCE_${name}`];
  if (!value) throw new Error(`CONFORMANCE_${name} is not set: "hub conformance run" starts this, or "hub conformance serve" says what to set`);
  return value;
};
const bytes = (text) => Buffer.from(text, "base64");
const connect = (certificate, key) => new HubConnection(given("TARGETS").split(","), mutualTls(given("CA"), certificate, key));

const { steps: todo } = JSON.parse(readFileSync(given("INSTRUCTIONS"), "utf8"));
const outbox = new Outbox(join(given("STATE"), "outbox.log"));
const receipts = new Receipts(join(given("STATE"), "receipts.jsonl"));
const senders = new Map();
let connection = connect(given("CERTIFICATE"), given("KEY"));

function sender(feed) {
  if (!senders.has(feed)) senders.set(feed, new FeedSender(outbox, connection, feed, receipts).start());
  return senders.get(feed);
}

async function close() {
  await Promise.all([...senders.values()].map((one) => one.stop()));
  senders.clear();
  connection.close();
}

/** Makes a call until it is answered: the same request each time, with pauses that grow, at the next edge where one is away. */
async function answered(call) {
  for (let pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 5_000)) {
    const { target } = connection;
    try {
      return await call();
    } catch (refusal) {
      if (!refusal.mayPass) throw refusal;
      if (!refusal.retryAfterMs) connection.failOver(target);
      await new Promise((resolve) => setTimeout(resolve, Math.max(pauseMs, refusal.retryAfterMs)));
    }
  }
}

const kept = (feed) => receipts.of(feed).map(({ text, signature }) => ({ text, signature: signature.toString("base64") }));

const steps = {
  async send({ feed, events }) {
    const numbered = sender(feed).put(events.map((one) => ({ key: one.key, event: bytes(one.bytes) })));
    const numbers = numbered.map(({ sequence }) => sequence);
    try {
      await sender(feed).acknowledged(numbers.at(-1));
    } catch (error) {
      return { stopped: error.message, receipts: kept(feed) };
    }
    const quarantined = numbers.filter((number) => outbox.quarantined(feed, number).length);
    return { acknowledged: numbers.at(-1), quarantined, receipts: kept(feed) };
  },
  async ask({ question }) {
    const answer = await answered(() => connection.call("CardService", "CheckAcceptance", bytes(question.bytes), 5_000));
    return { outcome: answer.outcome.replace("ACCEPTANCE_OUTCOME_", ""), position: answer.position };
  },
  async subscribe({ from_position: from, kinds, events }) {
    const positions = [];
    for await (const { position } of new Subscriber(connection, from, kinds).events()) {
      if (positions.push(position) === events) break;
    }
    return { positions };
  },
  async totals({ totals }) {
    const answer = await answered(() => connection.call("ReconciliationService", "SubmitControlTotals", bytes(totals.bytes), 5_000));
    return { comparison: answer.comparison.state };
  },
  async hotlist({ public_key: key, cards }) {
    const list = new Hotlist(Buffer.from(key, "hex"), await answered(() => takeSnapshot(connection)));
    return { listed: cards.filter((name) => list.answer(name) === "LISTED") };
  },
  async use_certificate({ certificate, key }) {
    await close();
    connection = connect(certificate, key);
    return {};
  },
};

try {
  for (const [index, step] of todo.entries()) {
    if (!steps[step.do]) throw new Error(`the step "${step.do}" is beyond this client`);
    const result = await steps[step.do](step);
    appendFileSync(given("RESULTS"), `${JSON.stringify({ step: index + 1, ...result })}\n`);
  }
} finally {
  await close();
  outbox.close();
}
