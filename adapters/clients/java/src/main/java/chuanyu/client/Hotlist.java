package chuanyu.client;

import chuanyu.exchange.v1.HotlistServiceGrpc;
import chuanyu.exchange.v1.HotlistServiceOuterClass.GetHotlistRequest;
import chuanyu.exchange.v1.HotlistServiceOuterClass.StreamHotlistDeltasRequest;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** The offline list of cards to refuse, byte by byte as docs/hotlist.md of the hub gives it: a signed snapshot and deltas over it. */
public final class Hotlist {
    private static final int SNAPSHOT = 1, DELTA = 2, HEAD_BYTES = 64, SIGNATURE_BYTES = 64, TAKING_S = 60;

    /** LISTED: refuse the card. NOT_LISTED: it was good when the list was made. STALE: not listed, but the list is too old to say so. */
    public enum Answer { LISTED, NOT_LISTED, STALE }

    /** The files must not be used; the gate goes on with what it holds. */
    public static final class Refused extends RuntimeException {
        Refused(String words) {
            super(words);
        }
    }

    private final byte[] publicKey;
    private final byte[] key = new byte[32];
    private final long seed, base;
    private final int length, segments;
    private final char[] fingerprints;
    private final Set<Long> listed = new HashSet<>(), cleared = new HashSet<>();
    private long epoch, staleAtMs;

    /** Reads a snapshot; *publicKey* is the hub's, 64 bytes. What has another signature is refused before it is read. */
    public Hotlist(byte[] publicKey, byte[] snapshot) {
        this.publicKey = publicKey.clone();
        var file = opened(snapshot, SNAPSHOT, 52);
        base = file.getLong(16);
        file.position(HEAD_BYTES).get(key);
        seed = file.getLong();
        length = file.getInt();
        segments = file.getInt();
        int exceptions = file.getInt(), slots = segments == 0 ? 0 : (segments + 2) * length;
        if (file.getLong(8) != base || file.remaining() != 8L * exceptions + 2L * slots) throw new Refused("not a whole snapshot");
        for (int index = 0; index < exceptions; index++) cleared.add(file.getLong());
        fingerprints = new char[slots];
        file.asCharBuffer().get(fingerprints);
        holds(file);
    }

    /** Reads files that were kept; *leastEpoch* is the highest that the gate ever had: an older list would bring a lost card back. */
    public static Hotlist read(byte[] publicKey, byte[] snapshot, List<byte[]> deltas, long leastEpoch) {
        var held = new Hotlist(publicKey, snapshot);
        deltas.forEach(held::apply);
        if (held.epoch < leastEpoch) throw new Refused("older than what was held: somebody may be hiding a loss");
        return held;
    }

    /** Brings the next delta in. */
    public void apply(byte[] delta) {
        var file = opened(delta, DELTA, 16);
        long previous = file.position(HEAD_BYTES).getLong();
        int toList = file.getInt(), toClear = file.getInt();
        if (file.getLong(16) != base || previous != epoch || file.getLong(8) <= previous) throw new Refused("the delta does not follow what is held");
        if (file.remaining() != 8L * toList + 8L * toClear) throw new Refused("not a whole delta");
        for (int index = 0; index < toList + toClear; index++) {
            long value = file.getLong();
            (index < toList ? listed : cleared).add(value);
            (index < toList ? cleared : listed).remove(value);
        }
        holds(file);
    }

    private void holds(ByteBuffer file) {
        epoch = file.getLong(8);
        staleAtMs = file.getLong(32) / 1000 + 1000L * file.getInt(40);
    }

    public long epoch() {
        return epoch;
    }

    public Answer answer(String name, long nowMs) {
        long value = ByteBuffer.wrap(Sm.hmacSm3(key, name.getBytes(StandardCharsets.US_ASCII))).getLong();
        if (listed.contains(value) || !cleared.contains(value) && hits(value)) return Answer.LISTED;
        return nowMs >= staleAtMs ? Answer.STALE : Answer.NOT_LISTED;
    }

    private boolean hits(long value) {
        if (segments == 0) return false;
        long mixed = (value ^ seed) * 0xff51afd7ed558ccdL, slots = (long) segments * length;
        mixed ^= mixed >>> 32;
        // The upper half of an unsigned product: multiplyHigh takes the first of the two for signed.
        long first = Math.multiplyHigh(mixed, slots) + ((mixed >> 63) & slots);
        long second = (first + length) ^ ((mixed >>> 18) & (length - 1)), third = (first + 2L * length) ^ (mixed & (length - 1));
        return (fingerprints[(int) first] ^ fingerprints[(int) second] ^ fingerprints[(int) third]) == (value & 0xffff);
    }

    /** Checks the signature before anything else is believed; what comes back stands behind the head and ends before the signature. */
    private ByteBuffer opened(byte[] data, int kind, int ownBytes) {
        int end = data.length - SIGNATURE_BYTES;
        if (end < HEAD_BYTES + ownBytes || !Sm.isSigned(publicKey, Arrays.copyOf(data, end), Arrays.copyOfRange(data, end, data.length))) {
            throw new Refused("the signature is not the hub's");
        }
        var file = ByteBuffer.wrap(data, 0, end);
        if (file.getInt(0) != 0x4359484c || file.get(4) != 1 || file.get(5) != kind) throw new Refused("another kind of file, or a newer version");
        return file;
    }

    /** Takes a snapshot, the newest for epoch 0, as bytes to keep. */
    public static byte[] takeSnapshot(HubConnection hub, long epoch) throws Refusal {
        var whole = ByteString.empty();
        try {
            var pieces = stub(hub).getHotlist(GetHotlistRequest.newBuilder().setEpoch(epoch).build());
            while (pieces.hasNext()) whole = whole.concat(pieces.next().getChunk());
        } catch (io.grpc.StatusRuntimeException error) {
            throw Refusal.of(error);
        }
        return whole.toByteArray();
    }

    /** Takes the deltas after the epoch held, in order; HOTLIST_EPOCH_OLD means that there is a newer snapshot. */
    public static List<byte[]> takeDeltas(HubConnection hub, long fromEpoch) throws Refusal {
        var found = new ArrayList<byte[]>();
        try {
            var deltas = stub(hub).streamHotlistDeltas(StreamHotlistDeltasRequest.newBuilder().setFromEpoch(fromEpoch).build());
            while (deltas.hasNext()) found.add(deltas.next().getDelta().toByteArray());
        } catch (io.grpc.StatusRuntimeException error) {
            throw Refusal.of(error);
        }
        return found;
    }

    private static HotlistServiceGrpc.HotlistServiceBlockingStub stub(HubConnection hub) {
        return HotlistServiceGrpc.newBlockingStub(hub.channel()).withDeadlineAfter(TAKING_S, TimeUnit.SECONDS);
    }
}
