package chuanyu.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/** The hub, through the edge that answered last; edges are alike. Stubs are made on {@link #channel()}. */
public final class HubConnection implements AutoCloseable {
    private final List<String> targets;
    private final ChannelCredentials credentials;
    private final Map<String, ManagedChannel> channels = new HashMap<>();
    private String target;

    public HubConnection(List<String> targets, ChannelCredentials credentials) {
        this.targets = List.copyOf(targets);
        this.credentials = credentials;
        this.target = targets.get(0);
    }

    public static ChannelCredentials mutualTls(Path ca, Path certificate, Path key) throws IOException {
        return TlsChannelCredentials.newBuilder().trustManager(ca.toFile()).keyManager(certificate.toFile(), key.toFile()).build();
    }

    public synchronized String target() {
        return target;
    }

    public synchronized ManagedChannel channel() {
        return channels.computeIfAbsent(target, at -> Grpc.newChannelBuilder(at, credentials).maxInboundMessageSize(16 << 20).build());
    }

    synchronized void failOver(String failed) {
        // The wait before the next call is the caller's; a channel of its own accord would wait up to two minutes.
        if (channels.containsKey(failed)) channels.get(failed).resetConnectBackoff();
        if (target.equals(failed)) target = targets.get((targets.indexOf(failed) + 1) % targets.size());
    }

    /** Jitter: clients that lost one hub together must not come back together. */
    static long backoffMs(int failures, long mostMs) {
        return ThreadLocalRandom.current().nextLong(Math.min(mostMs, 200L << Math.min(failures, 16)) + 1);
    }

    @Override
    public synchronized void close() {
        channels.values().forEach(ManagedChannel::shutdownNow);
    }
}
