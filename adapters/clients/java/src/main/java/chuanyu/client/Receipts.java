package chuanyu.client;

import chuanyu.exchange.v1.FeedServiceGrpc;
import chuanyu.exchange.v1.FeedServiceOuterClass.AppendEventsResponse;
import chuanyu.exchange.v1.FeedServiceOuterClass.GetReceiptKeysRequest;
import chuanyu.exchange.v1.Receipts.ReceiptKey;
import chuanyu.exchange.v1.Receipts.SigningAlgorithm;
import com.google.protobuf.Timestamp;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What the hub signed for: each receipt is compared, before anything is acknowledged by it, with what was sent and answered, and kept.
 * Lines of the file are those of `province-adapter receipts export`, so `province-adapter receipts verify --file` reads it.
 */
public final class Receipts implements AutoCloseable {
    private static final HexFormat HEX = HexFormat.of();
    private static final byte[] ED25519 = HEX.parseHex("302a300506032b6570032100");
    private static final DateTimeFormatter SECOND = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss");

    /** A receipt as it came. */
    public record Receipt(String feed, String text, byte[] signature) {}

    /** A receipt is missing, wrongly signed, or says something else than the answer. `hub receipts key` shows the hub's keys. */
    public static final class Wrong extends RuntimeException {
        Wrong(String words) {
            super(words);
        }
    }

    /** What one edge says: its log's name, and the hub's keys by their ids. */
    record Hub(String origin, Map<String, Map<String, Object>> keys) {}

    private final Path path;
    private final Collection<String> trusted;
    private final Map<String, Receipt> kept = new LinkedHashMap<>();
    private final Map<String, Map<String, Object>> keys = new HashMap<>();
    private final FileChannel file;
    private final byte[] blindKey;

    public Receipts(Path path) throws IOException {
        this(path, null);
    }

    /** *trusted* are ids of the hub's keys, as compared by telephone; with null those count that the hub names over mutual TLS. */
    public Receipts(Path path, Collection<String> trusted) throws IOException {
        this.path = path.toAbsolutePath();
        this.trusted = trusted;
        var lines = Lines.whole(path);
        for (int index = 0; index < lines.size(); index++) read(lines.get(index), index + 1);
        if (!Files.exists(path)) Lines.replace(this.path, List.of());
        file = Lines.open(path, StandardOpenOption.APPEND);
        file.truncate(Lines.wholeSize(path));
        var blind = path.resolveSibling(path.getFileName() + ".blind");
        if (!Files.exists(blind)) Lines.replace(blind, List.of(HEX.formatHex(random())));
        blindKey = HEX.parseHex(Files.readString(blind).strip());
    }

    private static byte[] random() {
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }

    @SuppressWarnings("unchecked")
    private void read(String line, int number) {
        try {
            var read = (Map<String, Object>) Json.read(line);
            if (read.containsKey("receipt")) remember((String) read.get("receipt"));
            else keys.put((String) read.get("key_id"), read);
        } catch (RuntimeException error) {
            throw new IllegalStateException(path + ": line " + number + " is neither a receipt nor a key: restore the file, or begin another");
        }
    }

    private void remember(String document) {
        int end = document.lastIndexOf("signature ");
        var lines = document.split("\n");
        String feed = lines[2].substring("feed ".length()), numbers = lines[3].substring("numbers ".length());
        kept.put(feed + " " + numbers, new Receipt(feed, document.substring(0, end), HEX.parseHex(document.substring(end + 10).strip())));
    }

    /** What a batch is blinded with, so that nobody finds a card number from its receipt by trying; it follows from a key beside the file. */
    byte[] blind(String feed, long first, int count) throws GeneralSecurityException {
        var mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(blindKey, "HmacSHA256"));
        return mac.doFinal((feed + "\0" + first + "\0" + count).getBytes(StandardCharsets.UTF_8));
    }

    /** The SHA-256 of a batch: the blind behind its length in a byte, then each event behind its length in four. */
    static String digest(byte[] blind, List<byte[]> events) throws GeneralSecurityException {
        var digest = MessageDigest.getInstance("SHA-256");
        digest.update((byte) blind.length);
        digest.update(blind);
        for (var event : events) {
            digest.update(ByteBuffer.allocate(4).putInt(0, event.length));
            digest.update(event);
        }
        return HEX.formatHex(digest.digest());
    }

    /** Asks the hub for its log's name and its keys; keeps those. */
    synchronized Hub ask(HubConnection hub) throws IOException, GeneralSecurityException {
        var stub = FeedServiceGrpc.newBlockingStub(hub.channel()).withDeadlineAfter(10, TimeUnit.SECONDS);
        var answer = stub.getReceiptKeys(GetReceiptKeysRequest.getDefaultInstance());
        var known = new HashMap<String, Map<String, Object>>();
        for (var key : answer.getKeysList()) {
            var id = HEX.formatHex(MessageDigest.getInstance("SHA-256").digest(key.getPublicKey().toByteArray())).substring(0, 16);
            boolean counts = key.getAlgorithm() == SigningAlgorithm.SIGNING_ALGORITHM_ED25519 && key.getKeyId().equals(id);
            if (counts && (trusted == null || trusted.contains(id))) known.put(id, asKept(key));
        }
        for (var key : known.values()) {
            if (key.equals(keys.put((String) key.get("key_id"), key))) continue;
            Lines.append(file, List.of(Json.write(key)));
        }
        return new Hub(answer.getOrigin(), known);
    }

    private static Map<String, Object> asKept(ReceiptKey key) {
        var kept = new LinkedHashMap<String, Object>();
        kept.put("key_id", key.getKeyId());
        kept.put("public", HEX.formatHex(key.getPublicKey().toByteArray()));
        kept.put("from_us", micros(key.getValidFrom()));
        kept.put("until_us", key.hasValidUntil() ? micros(key.getValidUntil()) : null);
        return kept;
    }

    /** Keeps the receipt of an answer to a batch; throws Wrong. */
    synchronized void keep(Hub hub, AppendEventsResponse appended, long first, int count, String digest) throws IOException, GeneralSecurityException {
        var about = "the receipt of feed " + appended.getFeed() + ", from " + first + ": ";
        if (!appended.hasReceipt()) throw new Wrong(about + "missing");
        var receipt = appended.getReceipt();
        var key = hub.keys.get(receipt.getKeyId());
        if (key == null) throw new Wrong(about + "the key " + receipt.getKeyId() + " is not one that counts");
        if (!receipt.getText().equals(text(hub.origin, appended, first, count, digest))) throw new Wrong(about + "it says something else than the answer");
        if (!isSigned((String) key.get("public"), receipt.getText(), receipt.getSignature().toByteArray())) throw new Wrong(about + "the signature is not the hub's");
        long recorded = micros(appended.getRecordedAt());
        boolean isLate = key.get("until_us") instanceof Long until && recorded > until;
        if (recorded < (Long) key.get("from_us") || isLate) throw new Wrong(about + "its key was not valid then");
        // Of the same numbers the first stays, which says the earliest time.
        if (kept.containsKey(appended.getFeed() + " " + first + "-" + (first + count - 1))) return;
        var document = receipt.getText() + "signature " + HEX.formatHex(receipt.getSignature().toByteArray()) + "\n";
        Lines.append(file, List.of(Json.write(Map.of("receipt", document))));
        remember(document);
    }

    private static boolean isSigned(String key, String text, byte[] signature) throws GeneralSecurityException {
        var encoded = ByteBuffer.allocate(ED25519.length + 32).put(ED25519).put(HEX.parseHex(key)).array();
        var verifying = Signature.getInstance("Ed25519");
        verifying.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded)));
        verifying.update(text.getBytes(StandardCharsets.UTF_8));
        return signature.length == 64 && verifying.verify(signature);
    }

    /** What the receipt of an answer has to say, as docs/receipts.md of the hub gives it. */
    private static String text(String origin, AppendEventsResponse appended, long first, int count, String digest) {
        var runs = new ArrayList<long[]>();
        for (long position : appended.getPositionsList()) {
            if (!runs.isEmpty() && runs.get(runs.size() - 1)[1] + 1 == position) runs.get(runs.size() - 1)[1] = position;
            else runs.add(new long[] {position, position});
        }
        var at = appended.getRecordedAt();
        var recorded = LocalDateTime.ofEpochSecond(at.getSeconds(), 0, ZoneOffset.UTC).format(SECOND) + String.format(".%06dZ", at.getNanos() / 1000);
        return "chuanyu-receipt/1\nlog " + origin + "\nfeed " + appended.getFeed() + "\nnumbers " + first + "-" + (first + count - 1)
            + "\npositions " + String.join(",", runs.stream().map(run -> run[0] + "-" + run[1]).toList())
            + "\nrecorded " + recorded + "\nevents " + digest + "\nkey " + appended.getReceipt().getKeyId() + "\n";
    }

    private static long micros(Timestamp at) {
        return at.getSeconds() * 1_000_000 + at.getNanos() / 1000;
    }

    /** The receipts of a feed, in the order in which they came. */
    public synchronized List<Receipt> of(String feed) {
        return kept.values().stream().filter(one -> one.feed.equals(feed)).toList();
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }
}
