package chuanyu.client;

import chuanyu.exchange.v1.SubscriptionServiceGrpc;
import chuanyu.exchange.v1.SubscriptionServiceOuterClass.DeliveredEvent;
import chuanyu.exchange.v1.SubscriptionServiceOuterClass.SubscribeRequest;
import io.grpc.Context;
import io.grpc.Status.Code;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.function.Predicate;

/** What concerns a province, from a cursor on: every event in order, over as many streams as it takes. */
public final class Subscriber {
    private final HubConnection hub;
    private final Path cursor;
    private final List<String> kinds;
    private long position;

    /** *cursor* is the file that keeps how far this has come; without it the subscription begins at 0. */
    public Subscriber(HubConnection hub, Path cursor, List<String> kinds) throws IOException {
        this.hub = hub;
        this.cursor = cursor;
        this.kinds = kinds;
        this.position = Files.exists(cursor) ? Long.parseLong(Files.readString(cursor).strip()) : 0;
    }

    /** Hands each event to *take* until that returns false; the cursor moves on after it has. Throws a Refusal that no further try mends. */
    public void run(Predicate<DeliveredEvent> take) throws Refusal, IOException, InterruptedException {
        for (int failures = 1; ; failures++) {
            var target = hub.target();
            var refusal = new Refusal(Code.UNAVAILABLE, "STREAM_ENDED");
            var stream = Context.current().withCancellation();
            var before = stream.attach();
            try {
                var request = SubscribeRequest.newBuilder().setFromPosition(position).addAllKinds(kinds).build();
                var answers = SubscriptionServiceGrpc.newBlockingStub(hub.channel()).subscribe(request);
                while (answers.hasNext()) {
                    failures = 1;
                    var answer = answers.next();
                    if (answer.hasProgress()) {
                        position = Math.max(position, answer.getProgress().getPosition());
                        continue;
                    }
                    boolean goesOn = take.test(answer.getDelivered());
                    keep(answer.getDelivered().getPosition());
                    if (!goesOn) return;
                }
            } catch (io.grpc.StatusRuntimeException error) {
                refusal = Refusal.of(error);
            } finally {
                stream.detach(before);
                stream.cancel(null);
            }
            if (!refusal.mayPass()) throw refusal;
            hub.failOver(target);
            Thread.sleep(refusal.retryAfterMs + HubConnection.backoffMs(failures, 10_000));
        }
    }

    private void keep(long reached) throws IOException {
        var fresh = cursor.resolveSibling(cursor.getFileName() + ".new");
        Files.writeString(fresh, reached + "\n");
        Files.move(fresh, cursor, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        position = reached;
    }
}
