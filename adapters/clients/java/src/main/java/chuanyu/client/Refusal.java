package chuanyu.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.protobuf.ProtoUtils;
import java.util.Map;
import java.util.Set;

/** What the hub said no with: code, reason (an ErrorReason), its metadata, and after how long to come back. */
public final class Refusal extends Exception {
    private static final Metadata.Key<Status> DETAILS =
        Metadata.Key.of("grpc-status-details-bin", ProtoUtils.metadataMarshaller(Status.getDefaultInstance()));
    private static final Set<Code> AGAIN = Set.of(Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.CANCELLED);

    public final Code code;
    public final String reason;
    public final Map<String, String> metadata;
    public final long retryAfterMs;

    Refusal(Code code, String reason, Map<String, String> metadata, long retryAfterMs, String words) {
        super((code + " " + (reason.isEmpty() ? words : reason)).strip());
        this.code = code;
        this.reason = reason;
        this.metadata = metadata;
        this.retryAfterMs = retryAfterMs;
    }

    Refusal(Code code, String reason) {
        this(code, reason, Map.of(), 0, "");
    }

    static Refusal of(Throwable error) {
        if (error instanceof Refusal refusal) return refusal;
        var trailers = io.grpc.Status.trailersFromThrowable(error);
        var details = trailers == null ? null : trailers.get(DETAILS);
        if (details != null) return of(details);
        var status = io.grpc.Status.fromThrowable(error);
        return new Refusal(status.getCode(), "", Map.of(), 0, String.valueOf(status.getDescription()));
    }

    static Refusal of(Status status) {
        var info = ErrorInfo.getDefaultInstance();
        long retryAfterMs = 0;
        try {
            for (Any detail : status.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) info = detail.unpack(ErrorInfo.class);
                if (detail.is(RetryInfo.class)) {
                    var delay = detail.unpack(RetryInfo.class).getRetryDelay();
                    retryAfterMs = delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000;
                }
            }
        } catch (InvalidProtocolBufferException error) {
            return new Refusal(Code.INTERNAL, "DETAILS_UNREADABLE");
        }
        var code = io.grpc.Status.fromCodeValue(status.getCode()).getCode();
        return new Refusal(code, info.getReason(), info.getMetadataMap(), retryAfterMs, status.getMessage());
    }

    /** Whether a further try may be taken. */
    public boolean mayPass() {
        return AGAIN.contains(code);
    }
}
