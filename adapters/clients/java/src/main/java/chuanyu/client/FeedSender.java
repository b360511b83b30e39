package chuanyu.client;

import chuanyu.exchange.v1.EventOuterClass.Event;
import chuanyu.exchange.v1.FeedServiceGrpc;
import chuanyu.exchange.v1.FeedServiceOuterClass.GetFeedRequest;
import chuanyu.exchange.v1.FeedServiceOuterClass.StreamEventsRequest;
import chuanyu.exchange.v1.FeedServiceOuterClass.StreamEventsResponse;
import com.google.protobuf.ByteString;
import io.grpc.Status.Code;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** One feed on its way to the hub: compare with GetFeed, stream, acknowledge, again. Only an answer to a batch acknowledges it. */
public final class FeedSender implements AutoCloseable {
    private static final int BATCH_EVENTS = 500, BATCH_BYTES = 1_000_000, WINDOW = 4;
    private static final long QUIET_MS = 30_000, LOOK_AGAIN_MS = 50, DENIED_MS = 60_000, LAST_MS = 10_000;

    private record Sent(long first, int count, String digest) {}

    private final Outbox outbox;
    private final HubConnection hub;
    private final String feed;
    private final Receipts receipts;
    private final Thread thread;
    private volatile String state = "starting";
    private volatile Throwable fault;
    private volatile boolean isEnded;

    public FeedSender(Outbox outbox, HubConnection hub, String feed) {
        this(outbox, hub, feed, null);
    }

    /** Begins to send; close() ends it. With *receipts* what the hub signs for is checked and kept; a wrong one stops the feed. */
    public FeedSender(Outbox outbox, HubConnection hub, String feed, Receipts receipts) {
        this.outbox = outbox;
        this.hub = hub;
        this.feed = feed;
        this.receipts = receipts;
        thread = new Thread(this::run, "feed " + feed);
        thread.setDaemon(true);
        thread.start();
    }

    public Outbox.Numbered put(String key, Event event) throws IOException {
        return put(List.of(new Outbox.Item(key, event.toByteArray()))).get(0);
    }

    public List<Outbox.Numbered> put(List<Outbox.Item> items) throws IOException {
        return outbox.put(feed, items);
    }

    public String state() {
        return state;
    }

    /** Waits until the hub has recorded a number; throws IllegalStateException once the feed is stopped. */
    public void awaitAcknowledged(long sequence) throws InterruptedException {
        synchronized (outbox) {
            while (outbox.state(feed).acknowledged() < sequence) {
                if (fault != null) throw new IllegalStateException(state, fault);
                outbox.wait(1000);
            }
        }
    }

    private void run() {
        int failures = 0;
        while (!isEnded) {
            var target = hub.target();
            long before = outbox.state(feed).acknowledged();
            try {
                session();
                failures = 0;
            } catch (Throwable error) {
                // A fault of our own, of the outbox or of what it runs on is not mended by another try.
                if (!(error instanceof Refusal) && !(error instanceof io.grpc.StatusRuntimeException)) {
                    stop(error);
                    return;
                }
                var refusal = Refusal.of(error);
                if (refusal.reason.equals("SEQUENCE_CONFLICT")) {
                    stop(refusal);
                    return;
                }
                state = "waiting: " + refusal.getMessage();
                failures = outbox.state(feed).acknowledged() > before ? 1 : failures + 1;
                if (refusal.code == Code.UNAVAILABLE || refusal.code == Code.DEADLINE_EXCEEDED) hub.failOver(target);
                boolean isDenied = refusal.code == Code.UNAUTHENTICATED || refusal.code == Code.PERMISSION_DENIED;
                pause(refusal.retryAfterMs + HubConnection.backoffMs(failures, isDenied ? DENIED_MS : LAST_MS));
            }
        }
    }

    private synchronized void pause(long ms) {
        try {
            if (!isEnded) wait(Math.max(1, ms));
        } catch (InterruptedException error) {
            isEnded = true;
        }
    }

    private void stop(Throwable error) {
        state = "stopped: " + error;
        fault = error;
    }

    private void session() throws Exception {
        var asked = FeedServiceGrpc.newBlockingStub(hub.channel()).withDeadlineAfter(10, TimeUnit.SECONDS);
        long sequence = outbox.checkPair(feed, asked.getFeed(GetFeedRequest.newBuilder().setFeed(feed).build()).getNextSequence()).acknowledged() + 1;
        var signedBy = receipts == null ? null : receipts.ask(hub);
        var answers = new LinkedBlockingQueue<Object>();
        var stream = (ClientCallStreamObserver<StreamEventsRequest>) FeedServiceGrpc.newStub(hub.channel()).streamEvents(new Answers(answers));
        var underWay = new ArrayDeque<Sent>();
        long heard = System.currentTimeMillis();
        state = "sending";
        try {
            while (!isEnded) {
                var rows = underWay.size() < WINDOW ? outbox.pending(feed, sequence, BATCH_EVENTS, BATCH_BYTES) : null;
                if (rows != null && !rows.isEmpty()) {
                    var batch = StreamEventsRequest.newBuilder().setFeed(feed).setFirstSequence(sequence);
                    for (var row : rows) batch.addEvents(Event.parseFrom(row));
                    underWay.add(new Sent(sequence, rows.size(), proved(batch)));
                    stream.onNext(batch.build());
                    sequence += rows.size();
                    continue;
                }
                var answer = answers.poll(LOOK_AGAIN_MS, TimeUnit.MILLISECONDS);
                if (answer instanceof StreamEventsResponse taken) {
                    heard = System.currentTimeMillis();
                    take(taken, underWay.poll(), signedBy);
                } else if (answer instanceof Throwable error) {
                    throw Refusal.of(error);
                } else if (System.currentTimeMillis() - heard > QUIET_MS) {
                    if (underWay.isEmpty()) return;
                    throw new Refusal(Code.DEADLINE_EXCEEDED, "NO_ANSWER");
                }
            }
        } finally {
            stream.cancel("the session is over", null);
        }
    }

    /** Adds the blind to a batch, and returns the digest that its receipt must have; nothing where receipts are not looked at. */
    private String proved(StreamEventsRequest.Builder batch) throws GeneralSecurityException {
        if (receipts == null) return "";
        var blind = receipts.blind(feed, batch.getFirstSequence(), batch.getEventsCount());
        batch.setBlind(ByteString.copyFrom(blind));
        return Receipts.digest(blind, batch.getEventsList().stream().map(Event::toByteArray).toList());
    }

    private void take(StreamEventsResponse answer, Sent sent, Receipts.Hub signedBy) throws Exception {
        if (sent == null || !answer.getFeed().equals(feed) || answer.getFirstSequence() != sent.first) throw new Refusal(Code.INTERNAL, "ANSWER_UNFIT");
        if (answer.hasRefused()) throw Refusal.of(answer.getRefused());
        var appended = answer.getAppended();
        if (appended.getPositionsCount() != sent.count || appended.getOutcomesCount() != sent.count) throw new Refusal(Code.INTERNAL, "ANSWER_UNFIT");
        var quarantined = new TreeMap<Long, String>();
        for (var notice : appended.getQuarantinedList()) {
            var rules = notice.getViolationsList().stream().map(rule -> (rule.getFieldPath() + " " + rule.getRuleId()).strip());
            quarantined.put(notice.getSequence(), rules.collect(Collectors.joining("; ")));
        }
        if (receipts != null) receipts.keep(signedBy, appended, sent.first, sent.count, sent.digest);
        outbox.acknowledge(feed, sent.first + sent.count - 1, quarantined);
    }

    private record Answers(LinkedBlockingQueue<Object> queue) implements ClientResponseObserver<StreamEventsRequest, StreamEventsResponse> {
        @Override
        public void beforeStart(ClientCallStreamObserver<StreamEventsRequest> stream) {}

        @Override
        public void onNext(StreamEventsResponse answer) {
            queue.add(answer);
        }

        @Override
        public void onError(Throwable error) {
            queue.add(error);
        }

        @Override
        public void onCompleted() {
            queue.add(new Refusal(Code.UNAVAILABLE, "STREAM_ENDED"));
        }
    }

    @Override
    public void close() throws InterruptedException {
        // Not by an interrupt: that would close the outbox in the middle of a write.
        synchronized (this) {
            isEnded = true;
            notifyAll();
        }
        thread.join();
    }
}
