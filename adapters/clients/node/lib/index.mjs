// The client of the exchange hub: first_event.mjs shows the way out, Subscriber the way in.
export { HubConnection, mutualTls, Refusal } from "./connection.mjs";
export { encode, decode, NotInContract } from "./contract.mjs";
export { Hotlist, HotlistRefused, takeDeltas, takeSnapshot } from "./hotlist.mjs";
export { NotAPair, Outbox, OutboxDamaged, OutboxInUse } from "./outbox.mjs";
export { Receipts, ReceiptWrong } from "./receipts.mjs";
export { FeedSender, FeedStopped } from "./sender.mjs";
export { Cursor, Subscriber } from "./subscriber.mjs";
