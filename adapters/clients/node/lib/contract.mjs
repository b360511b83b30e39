// The hub's messages, read from the .proto files that come with the package.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const PROTOS = join(dirname(fileURLToPath(import.meta.url)), "..", "protos");
const PACKAGE = "chuanyu.exchange.v1";
const FILES = ["feed", "card", "subscription", "hotlist", "reconciliation"].map((name) => `chuanyu/exchange/v1/${name}_service.proto`);

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(PROTOS, target);
root.loadSync([...FILES, "google/rpc/status.proto", "google/rpc/error_details.proto"], { keepCase: true });
root.resolveAll();

/** What was written is not in the contract: a field or an enum that there is not. */
export class NotInContract extends Error {}

export const lookup = (name) => root.lookupType(name.includes(".") ? name : `${PACKAGE}.${name}`);

/** Returns the bytes of a message; throws NotInContract for what protobuf would drop without a word. */
export function encode(name, object) {
  const type = lookup(name);
  return Buffer.from(type.encode(type.fromObject(checked(type, object, ""))).finish());
}

export function decode(name, bytes) {
  const type = lookup(name);
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true, arrays: true, oneofs: true });
}

function checked(type, object, path) {
  if (type.fullName === ".google.protobuf.Timestamp" && (object instanceof Date || typeof object === "string")) return timestamp(object, path);
  if (typeof object !== "object" || object === null) throw new NotInContract(`${path || type.name}: a ${type.name} is an object`);
  const made = {};
  for (const [key, value] of Object.entries(object)) {
    const field = type.fields[key];
    const at = path ? `${path}.${key}` : key;
    if (!field) throw new NotInContract(`${at}: ${type.name} has no such field; it has ${Object.keys(type.fields).join(", ").slice(0, 300)}`);
    if (value === undefined || value === null) continue;
    const one = (item, where) => checkedValue(field, item, where);
    made[key] = field.repeated && Array.isArray(value) ? value.map((item, index) => one(item, `${at}[${index}]`)) : one(value, at);
  }
  return made;
}

function checkedValue(field, value, at) {
  const kind = field.resolvedType;
  if (kind instanceof protobuf.Enum) {
    const known = typeof value === "string" ? value in kind.values : value in kind.valuesById;
    if (!known) throw new NotInContract(`${at}: ${kind.name} has no ${value}; it has ${Object.keys(kind.values).join(", ")}`);
    return value;
  }
  return kind instanceof protobuf.Type ? checked(kind, value, at) : value;
}

function timestamp(value, path) {
  const ms = new Date(value).getTime();
  if (Number.isNaN(ms)) throw new NotInContract(`${path}: no instant`);
  return { seconds: Math.floor(ms / 1000), nanos: (((ms % 1000) + 1000) % 1000) * 1e6 };
}

/** Returns the methods of a service as grpc-js wants them. */
export function serviceDefinition(name) {
  const service = root.lookupService(`${PACKAGE}.${name}`);
  return Object.fromEntries(
    service.methodsArray.map((method) => [
      method.name,
      {
        path: `/${PACKAGE}.${name}/${method.name}`,
        requestStream: Boolean(method.requestStream),
        responseStream: Boolean(method.responseStream),
        requestSerialize: (value) => (Buffer.isBuffer(value) ? value : encode(method.resolvedRequestType.fullName.slice(1), value)),
        responseDeserialize: (bytes) => decode(method.resolvedResponseType.fullName.slice(1), bytes),
      },
    ]),
  );
}
