// One feed on its way to the hub: compare with GetFeed, stream, acknowledge, again. Only an answer to a batch acknowledges it.
import { backoffMs, fromStatus, Refusal, refusalOf, sleep, Code } from "./connection.mjs";
import { encode, lookup } from "./contract.mjs";
import { digestOf } from "./receipts.mjs";

const BATCH_EVENTS = 500, WINDOW = 4, QUIET_MS = 30_000, DENIED_MS = 60_000;
const DENIED = new Set([Code.UNAUTHENTICATED, Code.PERMISSION_DENIED]);

/** The hub has another event under a number of the feed: only people mend that. */
export class FeedStopped extends Error {}

export class FeedSender {
  #waiting = [];
  #wake = () => {};
  #ended = new AbortController();
  #running;
  #trouble = "";

  /** With *receipts*, a Receipts, what the hub signs for is checked and kept; a wrong one stops the feed. */
  constructor(outbox, connection, feed, receipts = null) {
    Object.assign(this, { outbox, connection, feed, receipts, state: "starting", fault: null });
  }

  /** Begins to send; ends with stop(). */
  start() {
    this.#running = this.#run();
    return this;
  }

  /** Numbers events, each {key, event}, durably; an event is an object, or its bytes. Throws NotInContract before anything has a number. */
  put(items) {
    const encoded = items.map(({ key, event }) => ({ key, event: Buffer.isBuffer(event) ? event : encode("Event", event) }));
    const numbered = this.outbox.put(this.feed, encoded);
    this.#wake();
    return numbered;
  }

  /** Resolves once the hub has recorded a number; rejects if the feed is stopped. */
  acknowledged(sequence) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sequence, resolve, reject });
      this.#tell();
    });
  }

  async stop() {
    this.#ended.abort();
    this.#wake();
    await this.#running;
  }

  #tell() {
    const { acknowledged } = this.outbox.state(this.feed);
    this.#waiting = this.#waiting.filter(({ sequence, resolve, reject }) => {
      if (sequence <= acknowledged) resolve(sequence);
      else if (this.fault) reject(this.fault);
      return sequence > acknowledged && !this.fault;
    });
  }

  async #run() {
    for (let failures = 0; !this.#ended.signal.aborted; ) {
      const { target } = this.connection, before = this.outbox.state(this.feed).acknowledged;
      try {
        await this.#session();
        failures = 0;
      } catch (error) {
        // A conflict, a receipt that is wrong, an outbox that is not the hub's, a fault of our own: only people mend that.
        if (!(error instanceof Refusal)) {
          this.fault = error;
          this.state = `stopped: ${error.message}`;
          this.#tell();
          return;
        }
        failures = this.outbox.state(this.feed).acknowledged > before ? 1 : failures + 1;
        this.#wait(`waiting: ${error.message}`);
        if ([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED].includes(error.code)) this.connection.failOver(target);
        await sleep(error.retryAfterMs + backoffMs(failures, DENIED.has(error.code) ? DENIED_MS : undefined), this.#ended.signal);
      }
    }
  }

  /** A trouble is said when it begins or becomes another, not as often as it is met: nobody waits without knowing for what. */
  #wait(state) {
    this.state = state;
    if (state !== this.#trouble) process.emitWarning(`feed ${this.feed} is ${state}`, "HubWarning");
    this.#trouble = state;
  }

  async #session() {
    const { next_sequence: hubNext } = await this.connection.call("FeedService", "GetFeed", { feed: this.feed });
    let sequence = this.outbox.checkPair(this.feed, hubNext).acknowledged + 1;
    const signedBy = await this.receipts?.ask(this.connection);
    if (this.#ended.signal.aborted) return;
    const underWay = [], stream = this.connection.service("FeedService").StreamEvents();
    let fault = null, ended = false, heard = Date.now();
    const end = (error) => {
      fault ??= error;
      ended = true;
      this.#wake();
    };
    stream.on("error", (error) => end(refusalOf(error)));
    stream.on("end", () => end(new Refusal(Code.UNAVAILABLE, "STREAM_ENDED")));
    stream.on("data", (answer) => {
      // What comes behind a fault acknowledges nothing.
      if (ended) return;
      heard = Date.now();
      try {
        this.#take(answer, underWay, signedBy);
      } catch (error) {
        end(error);
      }
      this.#wake();
    });
    this.state = "sending";
    try {
      while (!ended && !this.#ended.signal.aborted) {
        const rows = underWay.length < WINDOW ? this.outbox.pending(this.feed, sequence, BATCH_EVENTS) : [];
        if (rows.length) {
          const blind = this.receipts?.blind(this.feed, sequence, rows.length) ?? Buffer.alloc(0);
          underWay.push({ first: sequence, count: rows.length, digest: digestOf(blind, rows) });
          stream.write(batch(this.feed, sequence, rows, blind));
          sequence += rows.length;
          continue;
        }
        const silent = await this.#quiet();
        if (silent && Date.now() - heard >= QUIET_MS) {
          if (!underWay.length) return;
          end(new Refusal(Code.DEADLINE_EXCEEDED, "NO_ANSWER"));
        }
      }
    } finally {
      stream.cancel();
    }
    if (fault) throw fault;
  }

  /** Waits for an answer, an event or the end; true when none came for long. */
  #quiet() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(true), QUIET_MS);
      this.#wake = () => (clearTimeout(timer), resolve(false));
      if (this.#ended.signal.aborted) this.#wake();
    });
  }

  #take(answer, underWay, signedBy) {
    const sent = underWay.shift();
    if (!sent || answer.feed !== this.feed || answer.first_sequence !== sent.first) throw new Refusal(Code.INTERNAL, "ANSWER_UNFIT");
    if (answer.result === "refused") {
      const refusal = fromStatus(answer.refused);
      if (refusal.reason === "SEQUENCE_CONFLICT") throw new FeedStopped(`the hub has another event under ${refusal.metadata.sequence}`);
      throw refusal;
    }
    const { positions, outcomes, quarantined } = answer.appended;
    if (positions.length !== sent.count || outcomes.length !== sent.count) throw new Refusal(Code.INTERNAL, "ANSWER_UNFIT");
    const rules = quarantined.map(({ sequence, violations }) => [sequence, violations.map((one) => `${one.field_path} ${one.rule_id}`.trim())]);
    this.receipts?.keep(signedBy, answer.appended, sent);
    this.outbox.acknowledge(this.feed, sent.first + sent.count - 1, rules);
    this.#tell();
  }
}

/** A batch with its events as they are in the outbox, byte for byte: so they are signed for. */
function batch(feed, first, rows, blind) {
  const type = lookup("StreamEventsRequest"), writer = type.encode({ feed, first_sequence: first, blind });
  for (const row of rows) writer.uint32((type.fields.events.id << 3) | 2).bytes(row);
  return Buffer.from(writer.finish());
}
