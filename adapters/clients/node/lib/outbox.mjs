// Durable numbering: an event gets its number here, once, on disk, before anyone is answered. The format is that of docs/clients.md.
import { closeSync, existsSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { append, keepFolder, wholeLines, writeWhole } from "./lines.mjs";

const opened = new Set();
const HEAD = "chuanyu-outbox 1";
const packed = (text) => Buffer.from(text).toString("base64");
const unpacked = (text) => Buffer.from(text, "base64");

/** The file is not an outbox, or lacks what it must have. */
export class OutboxDamaged extends Error {}
/** Another process has the outbox. */
export class OutboxInUse extends Error {}
/** The hub and this outbox do not belong together: one of them is another, or an old copy. Nothing is sent. */
export class NotAPair extends Error {}

export class Outbox {
  #feeds = new Map();

  constructor(path) {
    this.path = path;
    this.#lock();
    try {
      if (existsSync(path)) this.#read();
      this.#rewrite();
      this.#file = openSync(path, "a", 0o600);
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  #file;

  #lock() {
    const lock = `${this.path}.lock`;
    if (opened.has(resolve(this.path))) throw new OutboxInUse(`${this.path} is in use by this process`);
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      const owner = Number(readFileSync(lock, "utf8"));
      // A process that began again may have the number of the one that ended, as in a container.
      if (owner && owner !== process.pid && isAlive(owner)) throw new OutboxInUse(`${this.path} is in use by process ${owner}`);
      writeFileSync(lock, String(process.pid));
    }
    opened.add(resolve(this.path));
  }

  #feed(name) {
    if (!this.#feeds.has(name)) this.#feeds.set(name, { next: 1, acknowledged: 0, keys: new Map(), pending: new Map(), quarantined: new Map() });
    return this.#feeds.get(name);
  }

  #read() {
    const lines = wholeLines(this.path);
    if (lines.shift() !== HEAD) throw new OutboxDamaged(`${this.path} does not begin with "${HEAD}"`);
    lines.forEach((line, index) => {
      const [kind, name, sequence, key, event] = line.split(" ");
      const number = Number(sequence);
      if (!Number.isSafeInteger(number) || number < 1 || key === undefined && (kind === "K" || kind === "Q"))
        throw new OutboxDamaged(`${this.path}: line ${index + 2} is cut or changed`);
      const feed = this.#feed(name);
      if (kind === "E" && number === feed.next && event !== undefined) {
        feed.keys.set(unpacked(key).toString(), number);
        feed.pending.set(number, unpacked(event));
        feed.next += 1;
      } else if (kind === "K") feed.keys.set(unpacked(key).toString(), number);
      else if (kind === "Q") feed.quarantined.set(number, JSON.parse(unpacked(key).toString()));
      else if (kind === "N") Object.assign(feed, { next: number, acknowledged: number - 1 });
      else if (kind === "A" && number < feed.next) this.#acknowledged(feed, number);
      else throw new OutboxDamaged(`${this.path}: line ${index + 2} does not follow`);
    });
  }

  #acknowledged(feed, through) {
    for (let number = feed.acknowledged + 1; number <= through; number += 1) feed.pending.delete(number);
    feed.acknowledged = Math.max(feed.acknowledged, through);
  }

  /** Leaves out what the hub has, but for keys and numbers: those are kept for good. */
  #rewrite() {
    const lines = [HEAD];
    for (const [name, feed] of this.#feeds) {
      for (const [key, number] of feed.keys) if (number <= feed.acknowledged) lines.push(`K ${name} ${number} ${packed(key)}`);
      for (const [number, rules] of feed.quarantined) lines.push(`Q ${name} ${number} ${packed(JSON.stringify(rules))}`);
      lines.push(`N ${name} ${feed.acknowledged + 1}`);
      const keys = new Map([...feed.keys].map(([key, number]) => [number, key]));
      for (const [number, event] of feed.pending) lines.push(`E ${name} ${number} ${packed(keys.get(number))} ${event.toString("base64")}`);
    }
    writeWhole(`${this.path}.new`, `${lines.join("\n")}\n`);
    renameSync(`${this.path}.new`, this.path);
    keepFolder(this.path);
  }

  /** Numbers {key, event: Buffer} items in order; a key seen before keeps its number and is not added again. */
  put(name, items) {
    const feed = this.#feed(name), lines = [], numbered = [], added = new Map();
    for (const { key, event } of items) {
      const known = feed.keys.get(key) ?? added.get(key)?.number;
      if (known === undefined) {
        const number = feed.next + added.size;
        added.set(key, { number, event });
        lines.push(`E ${name} ${number} ${packed(key)} ${event.toString("base64")}`);
      }
      numbered.push({ sequence: known ?? feed.next + added.size - 1, isNew: known === undefined });
    }
    if (lines.length) append(this.#file, lines);
    for (const [key, { number, event }] of added) {
      feed.keys.set(key, number);
      feed.pending.set(number, event);
      feed.next = number + 1;
    }
    return numbered;
  }

  pending(name, from, limit, mostBytes = 1_000_000) {
    const feed = this.#feed(name), rows = [];
    for (let number = from, size = 0; rows.length < limit && number < feed.next; number += 1) {
      const event = feed.pending.get(number);
      if (!event) throw new OutboxDamaged(`feed ${name}: ${number} is missing`);
      size += event.length;
      if (rows.length && size > mostBytes) break;
      rows.push(event);
    }
    return rows;
  }

  acknowledge(name, through, quarantined = []) {
    const feed = this.#feed(name);
    if (through <= feed.acknowledged) return;
    if (through >= feed.next) throw new OutboxDamaged(`feed ${name}: acknowledged ${through}, handed out up to ${feed.next - 1}`);
    append(this.#file, [...quarantined.map(([number, rules]) => `Q ${name} ${number} ${packed(JSON.stringify(rules))}`), `A ${name} ${through}`]);
    quarantined.forEach(([number, rules]) => feed.quarantined.set(number, rules));
    this.#acknowledged(feed, through);
  }

  quarantined(name, sequence) {
    return this.#feed(name).quarantined.get(sequence) ?? [];
  }

  /** Returns {next, acknowledged} if a hub that expects *hubNext* can be the one that this was sent to; throws NotAPair. */
  checkPair(name, hubNext) {
    const { next, acknowledged } = this.state(name);
    const facts = `feed ${name}: hub expects ${hubNext}, outbox next ${next}, acknowledged ${acknowledged}`;
    if (hubNext > next) throw new NotAPair(`the hub has numbers that this outbox never handed out: restore the outbox file (${facts})`);
    if (hubNext <= acknowledged) throw new NotAPair(`the hub expects a number that it has acknowledged: ask its operators (${facts})`);
    return { next, acknowledged };
  }

  state(name) {
    const { next, acknowledged } = this.#feed(name);
    return { next, acknowledged };
  }

  close() {
    closeSync(this.#file);
    this.#unlock();
  }

  #unlock() {
    unlinkSync(`${this.path}.lock`);
    opened.delete(resolve(this.path));
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
