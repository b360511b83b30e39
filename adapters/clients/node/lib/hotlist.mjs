// The offline list of cards to refuse, byte by byte as docs/hotlist.md of the hub gives it: a signed snapshot and signed deltas over it.
import { createHmac } from "node:crypto";
import { refusalOf } from "./connection.mjs";
import { isSm2Signed } from "./sm2.mjs";

const HEAD_BYTES = 64, SIGNATURE_BYTES = 64, SNAPSHOT = 1, DELTA = 2;
const OWN_BYTES = { [SNAPSHOT]: 52, [DELTA]: 16 };

/** The files must not be used; the gate goes on with what it holds. */
export class HotlistRefused extends Error {}

/** A list that is held. *publicKey* is the hub's, 64 bytes; what has another signature is refused before it is read. */
export class Hotlist {
  constructor(publicKey, snapshot) {
    this.publicKey = publicKey;
    const { head, own, body } = this.#opened(snapshot, SNAPSHOT);
    this.key = own.subarray(0, 32);
    this.seed = own.readBigUInt64BE(32);
    this.length = BigInt(own.readUInt32BE(40));
    this.segments = BigInt(own.readUInt32BE(44));
    const exceptions = own.readUInt32BE(48), slots = this.segments ? Number((this.segments + 2n) * this.length) : 0;
    if (head.epoch !== head.base || body.length !== 8 * exceptions + 2 * slots) throw new HotlistRefused("not a whole snapshot");
    this.cleared = new Set(numbers(body, 0, exceptions));
    this.listed = new Set();
    this.fingerprints = body.subarray(8 * exceptions);
    Object.assign(this, head);
  }

  /** Reads files that were kept; *leastEpoch* is the highest that the gate ever had: an older list would bring a lost card back. */
  static read(publicKey, snapshot, deltas = [], leastEpoch = 0) {
    const held = new Hotlist(publicKey, snapshot);
    for (const delta of deltas) held.apply(delta);
    if (held.epoch < leastEpoch) throw new HotlistRefused("older than what was held: somebody may be hiding a loss");
    return held;
  }

  /** Brings the next delta in. */
  apply(delta) {
    const { head, own, body } = this.#opened(delta, DELTA);
    const previous = Number(own.readBigUInt64BE(0)), toList = own.readUInt32BE(8), toClear = own.readUInt32BE(12);
    if (head.base !== this.base || previous !== this.epoch || head.epoch <= previous) throw new HotlistRefused("the delta does not follow what is held");
    if (body.length !== 8 * (toList + toClear)) throw new HotlistRefused("not a whole delta");
    for (const [from, count, into, outOf] of [[0, toList, this.listed, this.cleared], [toList, toClear, this.cleared, this.listed]]) {
      for (const value of numbers(body, from, count)) {
        into.add(value);
        outOf.delete(value);
      }
    }
    Object.assign(this, head);
  }

  /** LISTED: refuse the card. NOT_LISTED: it was good when the list was made. STALE: not listed, but the list is too old to say so. */
  answer(name, nowMs = Date.now()) {
    const value = createHmac("sm3", this.key).update(name, "ascii").digest().readBigUInt64BE(0);
    if (this.listed.has(value) || (!this.cleared.has(value) && this.#hits(value))) return "LISTED";
    return nowMs >= this.madeMs + this.staleAfterMs ? "STALE" : "NOT_LISTED";
  }

  #hits(value) {
    if (!this.segments) return false;
    let mixed = BigInt.asUintN(64, (value ^ this.seed) * 0xff51afd7ed558ccdn);
    mixed ^= mixed >> 32n;
    const first = (mixed * this.segments * this.length) >> 64n;
    const second = (first + this.length) ^ ((mixed >> 18n) & (this.length - 1n));
    const third = (first + 2n * this.length) ^ (mixed & (this.length - 1n));
    const [a, b, c] = [first, second, third].map((at) => this.fingerprints.readUInt16BE(2 * Number(at)));
    return (a ^ b ^ c) === Number(value & 0xffffn);
  }

  /** Checks the signature before anything else is believed, and takes the file apart. */
  #opened(data, kind) {
    const own = HEAD_BYTES + OWN_BYTES[kind], end = data.length - SIGNATURE_BYTES;
    if (end < own || !isSm2Signed(this.publicKey, data.subarray(0, end), data.subarray(end))) throw new HotlistRefused("the signature is not the hub's");
    if (data.toString("latin1", 0, 4) !== "CYHL" || data[4] !== 1 || data[5] !== kind) throw new HotlistRefused("another kind of file, or a newer version");
    const [epoch, base, , madeUs] = numbers(data, 1, 4).map(Number);
    const head = { epoch, base, madeMs: madeUs / 1000, staleAfterMs: 1000 * data.readUInt32BE(40) };
    return { head, own: data.subarray(HEAD_BYTES, own), body: data.subarray(own, end) };
  }
}

const numbers = (data, from, count) => Array.from({ length: count }, (_, index) => data.readBigUInt64BE(8 * (from + index)));

/** Takes a snapshot, the newest for epoch 0, as bytes to keep; throws a Refusal. */
export const takeSnapshot = async (connection, epoch = 0) =>
  Buffer.concat(await taken(connection, "GetHotlist", { epoch }, (piece) => piece.chunk));

/** Takes the deltas after the epoch held, in order; a HOTLIST_EPOCH_OLD means that there is a newer snapshot. */
export const takeDeltas = (connection, fromEpoch) =>
  taken(connection, "StreamHotlistDeltas", { from_epoch: fromEpoch }, (piece) => piece.delta);

async function taken(connection, method, request, pick, timeoutMs = 60_000) {
  const found = [];
  try {
    const stream = connection.service("HotlistService")[method](request, { deadline: new Date(Date.now() + timeoutMs) });
    for await (const piece of stream) found.push(pick(piece));
  } catch (error) {
    throw refusalOf(error);
  }
  return found;
}
