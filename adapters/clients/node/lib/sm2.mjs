// SM2 with SM3 (GB/T 32918.2) under the signer id 1234567812345678: Node.js checks such a signature under no id but an empty one.
import { createHash } from "node:crypto";

const number = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
const P = BigInt("0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF");
const A = P - 3n;
const B = BigInt("0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93");
const N = BigInt("0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123");
const G = [
  BigInt("0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"),
  BigInt("0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"),
];
const ID = Buffer.from("1234567812345678");

/** Whether *signature*, r and s, is one of *data* by the owner of *publicKey*, x and y. */
export function isSm2Signed(publicKey, data, signature) {
  if (publicKey.length !== 64 || signature.length !== 64) return false;
  const point = [number(publicKey.subarray(0, 32)), number(publicKey.subarray(32))];
  const r = number(signature.subarray(0, 32)), s = number(signature.subarray(32)), t = (r + s) % N;
  if (!isOnCurve(point) || r < 1n || r >= N || s < 1n || s >= N || t === 0n) return false;
  const about = sm3(Buffer.of(0, 8 * ID.length), ID, ...[A, B, ...G].map(bytes), publicKey);
  const sum = combined(s, G, t, point);
  return sum !== null && (number(sm3(about, data)) + sum[0]) % N === r;
}

const bytes = (value) => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
const sm3 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sm3")).digest();
const mod = (value) => ((value % P) + P) % P;
const isOnCurve = ([x, y]) => x < P && y < P && mod(y * y - x * x * x - A * x - B) === 0n;

/** a·one + b·other, bit by bit; null is the point at infinity. */
function combined(a, one, b, other) {
  const both = added(one, other);
  let sum = null;
  for (let bit = 255n; bit >= 0n; bit -= 1n) {
    sum = added(sum, sum);
    const first = (a >> bit) & 1n, second = (b >> bit) & 1n;
    if (first || second) sum = added(sum, first && second ? both : first ? one : other);
  }
  return sum;
}

function added(one, other) {
  if (!one || !other) return one ?? other;
  const [x, y] = one, [u, v] = other;
  if (x === u && mod(y + v) === 0n) return null;
  const slope = x === u ? mod((3n * x * x + A) * inverse(mod(2n * y))) : mod((v - y) * inverse(mod(u - x)));
  const at = mod(slope * slope - x - u);
  return [at, mod(slope * (x - at) - y)];
}

function inverse(value) {
  let [r, next, t, following] = [P, value, 0n, 1n];
  while (next) {
    const times = r / next;
    [r, next, t, following] = [next, r - times * next, following, t - times * following];
  }
  return mod(t);
}
