// What the hub signed for: each receipt is compared, before anything is acknowledged by it, with what was sent and answered, and kept.
// Lines of the file are those of `province-adapter receipts export`, so `province-adapter receipts verify --file` reads it.
import { createHash, createHmac, createPublicKey, randomBytes, verify } from "node:crypto";
import { existsSync, ftruncateSync, openSync, closeSync, readFileSync, renameSync } from "node:fs";
import { append, keepFolder, wholeLines, wholeSize, writeWhole } from "./lines.mjs";

const SIGNATURE = "signature ";

/** A receipt is missing, wrongly signed, or says something else than the answer. Ask the hub's operators: `hub receipts key` shows its keys. */
export class ReceiptWrong extends Error {}

export class Receipts {
  #kept = new Map();
  #keys = new Map();
  #file;
  #blindKey;

  /** *trusted* are ids of the hub's keys, as compared by telephone; without it those count that the hub names over mutual TLS. */
  constructor(path, { trusted = null } = {}) {
    Object.assign(this, { path, trusted });
    const lines = wholeLines(path);
    lines.forEach((line, index) => this.#read(line, index + 1));
    this.#file = openSync(path, "a", 0o600);
    ftruncateSync(this.#file, wholeSize(path));
    this.#blindKey = blindKeyAt(`${path}.blind`);
    keepFolder(path);
  }

  #read(line, number) {
    try {
      const { receipt, ...key } = JSON.parse(line);
      if (receipt) this.#remember(receipt);
      else this.#keys.set(key.key_id, key);
    } catch {
      throw new Error(`${this.path}: line ${number} is neither a receipt nor a key: restore the file, or begin another`);
    }
  }

  #remember(document) {
    const [, feed, numbers] = /\nfeed (.+)\nnumbers (.+)\n/.exec(document);
    const [text, signature] = splitAt(document, document.lastIndexOf(SIGNATURE));
    this.#kept.set(`${feed} ${numbers}`, { feed, text, signature: Buffer.from(signature.slice(SIGNATURE.length).trim(), "hex") });
  }

  /** What a batch is blinded with, so that nobody finds a card number from its receipt by trying; it follows from a key beside the file. */
  blind(feed, first, count) {
    return createHmac("sha256", this.#blindKey).update(`${feed}\0${first}\0${count}`).digest();
  }

  /** Asks the hub for its log's name and its keys; keeps those. */
  async ask(connection) {
    const answer = await connection.call("FeedService", "GetReceiptKeys", {});
    const published = answer.keys.filter((key) => key.algorithm === "SIGNING_ALGORITHM_ED25519" && key.key_id === idOf(key.public_key));
    const keys = published.filter(({ key_id: id }) => !this.trusted || this.trusted.includes(id)).map(asKept);
    const fresh = keys.filter((key) => JSON.stringify(key) !== JSON.stringify(this.#keys.get(key.key_id)));
    if (fresh.length) append(this.#file, fresh.map((key) => JSON.stringify(key)));
    for (const key of fresh) this.#keys.set(key.key_id, key);
    return { origin: answer.origin, keys: new Map(keys.map((key) => [key.key_id, key])) };
  }

  /** Keeps the receipt of an answer to *sent*, {first, count, digest}; throws ReceiptWrong. */
  keep({ origin, keys }, appended, { first, count, digest }) {
    const wrong = (why) => new ReceiptWrong(`the receipt of feed ${appended.feed}, from ${first}: ${why}`);
    const { receipt, recorded_at: at } = appended;
    if (!receipt) throw wrong("missing");
    const key = keys.get(receipt.key_id);
    if (!key) throw wrong(`the key ${receipt.key_id} is not one that counts`);
    if (receipt.text !== textOf(origin, appended, first, count, digest)) throw wrong("it says something else than the answer");
    if (!verify(null, Buffer.from(receipt.text), publicKey(key), receipt.signature)) throw wrong("the signature is not the hub's");
    const recordedUs = micros(at);
    if (recordedUs < key.from_us || (key.until_us !== null && recordedUs > key.until_us)) throw wrong("its key was not valid then");
    // Of the same numbers the first stays, which says the earliest time.
    if (this.#kept.has(`${appended.feed} ${first}-${first + count - 1}`)) return;
    const document = `${receipt.text}${SIGNATURE}${receipt.signature.toString("hex")}\n`;
    append(this.#file, [JSON.stringify({ receipt: document })]);
    this.#remember(document);
  }

  /** The receipts of a feed, each {text, signature}, as they came. */
  of(feed) {
    return [...this.#kept.values()].filter((one) => one.feed === feed).map(({ text, signature }) => ({ text, signature }));
  }

  close() {
    closeSync(this.#file);
  }
}

/** The SHA-256 of a batch: the blind behind its length in a byte, then each event behind its length in four. */
export function digestOf(blind, events) {
  const digest = createHash("sha256").update(Buffer.of(blind.length)).update(blind);
  for (const event of events) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(event.length);
    digest.update(length).update(event);
  }
  return digest.digest("hex");
}

/** What the receipt of an answer has to say, as docs/receipts.md of the hub gives it. */
function textOf(origin, { feed, positions, recorded_at: at, receipt }, first, count, digest) {
  const runs = [];
  for (const position of positions) {
    if (runs.length && runs.at(-1)[1] + 1 === position) runs.at(-1)[1] = position;
    else runs.push([position, position]);
  }
  const second = new Date(at.seconds * 1000).toISOString().slice(0, 19);
  const lines = [
    "chuanyu-receipt/1",
    `log ${origin}`,
    `feed ${feed}`,
    `numbers ${first}-${first + count - 1}`,
    `positions ${runs.map((run) => run.join("-")).join(",")}`,
    `recorded ${second}.${String(Math.floor(at.nanos / 1000)).padStart(6, "0")}Z`,
    `events ${digest}`,
    `key ${receipt.key_id}`,
  ];
  return `${lines.join("\n")}\n`;
}

const idOf = (key) => createHash("sha256").update(key).digest("hex").slice(0, 16);
const micros = ({ seconds, nanos }) => seconds * 1e6 + Math.floor(nanos / 1000);
const splitAt = (text, at) => [text.slice(0, at), text.slice(at)];
const publicKey = ({ public: digits }) => createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(digits, "hex").toString("base64url") }, format: "jwk" });
const asKept = ({ key_id, public_key: key, valid_from: from, valid_until: until }) => ({
  key_id,
  public: key.toString("hex"),
  from_us: micros(from),
  until_us: until ? micros(until) : null,
});

function blindKeyAt(path) {
  if (!existsSync(path)) {
    writeWhole(`${path}.new`, randomBytes(32).toString("hex"));
    renameSync(`${path}.new`, path);
  }
  const key = Buffer.from(readFileSync(path, "ascii").trim(), "hex");
  if (key.length !== 32) throw new Error(`${path} is not the key that blinds batches: restore it, or remove it for a new one`);
  return key;
}
