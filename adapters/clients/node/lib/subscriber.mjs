// What the hub tells a province, from a cursor on: every event once a cursor, in order, over as many streams as it takes.
import { existsSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { backoffMs, Refusal, refusalOf, sleep, Code } from "./connection.mjs";

const QUIET_MS = 30_000;

/** How far a reader has come, in a file of its own; 0 where there is none yet. */
export class Cursor {
  constructor(path) {
    const text = existsSync(path) ? readFileSync(path, "ascii").trim() : "0";
    if (!/^[0-9]+$/.test(text)) throw new Error(`${path} does not hold a position: restore it, or begin again at 0 without it`);
    Object.assign(this, { path, position: Number(text) });
  }

  keep(position) {
    const fresh = openSync(`${this.path}.new`, "w", 0o600);
    writeSync(fresh, `${position}\n`);
    fsyncSync(fresh);
    closeSync(fresh);
    renameSync(`${this.path}.new`, this.path);
    this.position = position;
  }
}

export class Subscriber {
  constructor(connection, fromPosition = 0, kinds = []) {
    Object.assign(this, { connection, position: fromPosition, kinds, state: "starting" });
  }

  /** Yields each event for ever; `position` moves on once the next is asked for. Throws a Refusal that no further try mends. */
  async *events() {
    for (let failures = 0; ; failures += 1) {
      const { target } = this.connection;
      let refusal = new Refusal(Code.UNAVAILABLE, "STREAM_ENDED");
      const stream = this.connection.service("SubscriptionService").Subscribe({ from_position: this.position, kinds: this.kinds });
      let timer;
      const watch = () => (clearTimeout(timer), (timer = setTimeout(() => stream.cancel(), QUIET_MS)));
      try {
        watch();
        for await (const answer of stream) {
          this.state = "reading";
          failures = 0;
          if (answer.item === "delivered") {
            clearTimeout(timer);
            yield answer.delivered;
            this.position = answer.delivered.position;
          } else this.position = Math.max(this.position, answer.progress.position);
          watch();
        }
      } catch (error) {
        refusal = refusalOf(error);
      } finally {
        clearTimeout(timer);
        stream.cancel();
      }
      this.state = `waiting: ${refusal.message}`;
      if (!refusal.mayPass) throw refusal;
      this.connection.failOver(target);
      await sleep(refusal.retryAfterMs || backoffMs(failures));
    }
  }
}
