package chuanyu.client;

import chuanyu.exchange.v1.CardServiceGrpc;
import chuanyu.exchange.v1.CardServiceOuterClass.CheckAcceptanceRequest;
import chuanyu.exchange.v1.ReconciliationServiceGrpc;
import chuanyu.exchange.v1.ReconciliationServiceOuterClass.SubmitControlTotalsRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A client under trial: does the steps that the conformance kit gives it, and writes a line of results for each.
 *
 *   hub conformance run --target "java -cp … chuanyu.client.Conformance" --out report
 */
public final class Conformance {
    private static final long CALL_S = 5;

    private interface Call<T> {
        T make() throws Exception;
    }

    private final Outbox outbox = new Outbox(Path.of(given("STATE"), "outbox.log"));
    private final Receipts receipts = new Receipts(Path.of(given("STATE"), "receipts.jsonl"));
    private final Map<String, FeedSender> senders = new HashMap<>();
    private HubConnection hub = connect(given("CERTIFICATE"), given("KEY"));

    private Conformance() throws IOException {}

    private static String given(String name) {
        var value = System.getenv("CONFORMANCE_" + name);
        if (value != null) return value;
        throw new IllegalStateException("CONFORMANCE_" + name + " is not set: hub conformance run starts this, or hub conformance serve says what to set");
    }

    private static HubConnection connect(String certificate, String key) throws IOException {
        var credentials = HubConnection.mutualTls(Path.of(given("CA")), Path.of(certificate), Path.of(key));
        return new HubConnection(List.of(given("TARGETS").split(",")), credentials);
    }

    public static void main(String[] arguments) throws Exception {
        var instructions = (Map<?, ?>) Json.read(Files.readString(Path.of(given("INSTRUCTIONS"))));
        var client = new Conformance();
        long number = 0;
        for (var step : (List<?>) instructions.get("steps")) {
            var line = new LinkedHashMap<String, Object>(Map.of("step", ++number));
            line.putAll(client.done((Map<?, ?>) step));
            Files.writeString(Path.of(given("RESULTS")), Json.write(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
        client.close();
        client.receipts.close();
        client.outbox.close();
        System.exit(0);
    }

    private void close() throws InterruptedException {
        for (var sender : senders.values()) sender.close();
        senders.clear();
        hub.close();
    }

    private Map<String, Object> done(Map<?, ?> step) throws Exception {
        return switch ((String) step.get("do")) {
            case "send" -> send((String) step.get("feed"), (List<?>) step.get("events"));
            case "ask" -> ask(CheckAcceptanceRequest.parseFrom(bytes(step.get("question"))));
            case "subscribe" -> subscribe((Long) step.get("from_position"), (List<?>) step.get("kinds"), (Long) step.get("events"));
            case "totals" -> totals(SubmitControlTotalsRequest.parseFrom(bytes(step.get("totals"))));
            case "hotlist" -> hotlist(HexFormat.of().parseHex((String) step.get("public_key")), (List<?>) step.get("cards"));
            case "use_certificate" -> {
                close();
                hub = connect((String) step.get("certificate"), (String) step.get("key"));
                yield Map.of();
            }
            default -> throw new IllegalStateException("the step " + step.get("do") + " is beyond this client");
        };
    }

    private static byte[] bytes(Object message) {
        return Base64.getDecoder().decode((String) ((Map<?, ?>) message).get("bytes"));
    }

    private Map<String, Object> send(String feed, List<?> events) throws Exception {
        var sender = senders.computeIfAbsent(feed, name -> new FeedSender(outbox, hub, name, receipts));
        var items = events.stream().map(one -> new Outbox.Item((String) ((Map<?, ?>) one).get("key"), bytes(one))).toList();
        var numbers = sender.put(items).stream().map(Outbox.Numbered::sequence).toList();
        long last = numbers.get(numbers.size() - 1);
        var line = new LinkedHashMap<String, Object>();
        try {
            sender.awaitAcknowledged(last);
            line.put("acknowledged", last);
            line.put("quarantined", numbers.stream().filter(number -> !outbox.quarantined(feed, number).isEmpty()).toList());
        } catch (IllegalStateException stopped) {
            line.put("stopped", stopped.getMessage());
        }
        var kept = receipts.of(feed).stream().map(one -> Map.of("text", one.text(), "signature", Base64.getEncoder().encodeToString(one.signature())));
        line.put("receipts", kept.toList());
        return line;
    }

    private Map<String, Object> ask(CheckAcceptanceRequest question) throws Exception {
        var answer = answered(() -> CardServiceGrpc.newBlockingStub(hub.channel()).withDeadlineAfter(CALL_S, TimeUnit.SECONDS).checkAcceptance(question));
        return Map.of("outcome", answer.getOutcome().name().replace("ACCEPTANCE_OUTCOME_", ""), "position", answer.getPosition());
    }

    private Map<String, Object> totals(SubmitControlTotalsRequest totals) throws Exception {
        var answer = answered(() -> ReconciliationServiceGrpc.newBlockingStub(hub.channel()).withDeadlineAfter(CALL_S, TimeUnit.SECONDS).submitControlTotals(totals));
        return Map.of("comparison", answer.getComparison().getState().name());
    }

    private Map<String, Object> subscribe(long from, List<?> kinds, long events) throws Exception {
        var cursor = Path.of(given("STATE"), "cursor");
        if (!Files.exists(cursor)) Files.writeString(cursor, from + "\n");
        var positions = new ArrayList<Long>();
        new Subscriber(hub, cursor, kinds.stream().map(String.class::cast).toList()).run(delivered -> {
            positions.add(delivered.getPosition());
            return positions.size() < events;
        });
        return Map.of("positions", positions);
    }

    private Map<String, Object> hotlist(byte[] publicKey, List<?> cards) throws Exception {
        var list = new Hotlist(publicKey, answered(() -> Hotlist.takeSnapshot(hub, 0)));
        long now = System.currentTimeMillis();
        return Map.of("listed", cards.stream().filter(name -> list.answer((String) name, now) == Hotlist.Answer.LISTED).toList());
    }

    /** Makes a call until it is answered: the same request each time, with pauses that grow, at the next edge where one is away. */
    private <T> T answered(Call<T> call) throws Exception {
        for (long pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 5_000)) {
            var target = hub.target();
            try {
                return call.make();
            } catch (Refusal | io.grpc.StatusRuntimeException error) {
                var refusal = Refusal.of(error);
                if (!refusal.mayPass()) throw refusal;
                if (refusal.retryAfterMs == 0) hub.failOver(target);
                Thread.sleep(Math.max(pauseMs, refusal.retryAfterMs));
            }
        }
    }
}
