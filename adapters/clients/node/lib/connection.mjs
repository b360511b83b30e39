// The way to the hub: mutual TLS, several edges, and why it said no.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { decode, lookup, serviceDefinition } from "./contract.mjs";

export const { status: Code } = grpc;
const AGAIN = new Set([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.CANCELLED]);
const OPTIONS = { "grpc.initial_reconnect_backoff_ms": 200, "grpc.max_reconnect_backoff_ms": 2000, "grpc.max_receive_message_length": 16 << 20 };

export const mutualTls = (ca, certificate, key) => grpc.credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(certificate));

/** What the hub said no with: code, reason (an ErrorReason), its metadata, and after how long to come back. */
export class Refusal extends Error {
  constructor(code, reason = "", metadata = {}, retryAfterMs = 0, words = "") {
    super([Code[code] ?? code, reason, words].filter(Boolean).join(" "));
    Object.assign(this, { code, reason, metadata, retryAfterMs });
  }

  get mayPass() {
    return AGAIN.has(this.code);
  }
}

export function refusalOf(error) {
  if (error instanceof Refusal) return error;
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  return packed ? fromStatus(lookup("google.rpc.Status").decode(packed)) : new Refusal(error.code ?? Code.UNKNOWN, "", {}, 0, error.details ?? error.message);
}

export function fromStatus(status) {
  let reason = "", metadata = {}, retryAfterMs = 0;
  for (const { type_url: url, value } of status.details ?? []) {
    if (url.endsWith("/google.rpc.ErrorInfo")) ({ reason, metadata } = decode("google.rpc.ErrorInfo", value));
    if (url.endsWith("/google.rpc.RetryInfo")) {
      const delay = decode("google.rpc.RetryInfo", value).retry_delay;
      retryAfterMs = delay.seconds * 1000 + delay.nanos / 1e6;
    }
  }
  return new Refusal(status.code, reason, metadata, retryAfterMs, status.message);
}

/** The hub, through the edge that answered last; edges are alike. */
export class HubConnection {
  #clients = new Map();

  constructor(targets, credentials) {
    Object.assign(this, { targets: [...targets], credentials, target: targets[0] });
  }

  service(name) {
    const key = `${this.target} ${name}`;
    if (!this.#clients.has(key)) {
      const Client = grpc.makeGenericClientConstructor(serviceDefinition(name), name);
      this.#clients.set(key, new Client(this.target, this.credentials, OPTIONS));
    }
    return this.#clients.get(key);
  }

  /** Makes a call of one question and one answer, such as call("CardService", "CheckAcceptance", {…}). */
  call(service, method, request, timeoutMs = 10_000) {
    return new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + timeoutMs);
      this.service(service)[method](request, { deadline }, (error, answer) => (error ? reject(refusalOf(error)) : resolve(answer)));
    });
  }

  failOver(failed) {
    if (this.target === failed) this.target = this.targets[(this.targets.indexOf(failed) + 1) % this.targets.length];
  }

  close() {
    for (const client of this.#clients.values()) client.close();
  }
}

export const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** Jitter: clients that lost one hub together must not come back together. */
export const backoffMs = (failures, mostMs = 10_000) => Math.random() * Math.min(mostMs, 200 * 2 ** Math.min(failures, 16));
