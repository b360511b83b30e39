package chuanyu.client;

import static chuanyu.exchange.v1.CardLifecycle.*;
import static chuanyu.exchange.v1.References.*;

import chuanyu.exchange.v1.EventOuterClass.Event;
import chuanyu.exchange.v1.EventOuterClass.Source;
import com.google.protobuf.Timestamp;
import java.nio.file.Path;
import java.util.List;

/** The first event: a card is registered, numbered once however often this runs, and recorded by the hub. */
public final class FirstEvent {
    public static void main(String[] arguments) throws Exception {
        var certificates = Path.of(arguments[1]);
        var participant = certificates.resolve(arguments[2]).toString();
        var feed = arguments[3];
        var credentials = HubConnection.mutualTls(certificates.resolve("ca.crt"), Path.of(participant + ".crt"), Path.of(participant + ".key"));
        var card = CardRef.newBuilder().setIssuingProvince("50").setKind(CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO).setClear("F00000001");
        var registered = CardRegistered.newBuilder()
            .setStatus(SocialStatus.SOCIAL_STATUS_ACTIVE)
            .setGeneration(CardGeneration.CARD_GENERATION_THIRD)
            .setCardKind(CardKind.CARD_KIND_REGULAR);
        var event = Event.newBuilder().setOccurredAt(Timestamp.newBuilder().setSeconds(1_756_684_800)).setIssuerRegion("500199")
            .setSource(Source.newBuilder().setSystem("first-event")).setCard(card).setCardRegistered(registered).build();
        try (var hub = new HubConnection(List.of(arguments[0]), credentials);
             var outbox = new Outbox(Path.of("outbox.log"));
             var receipts = new Receipts(Path.of("outbox.receipts"));
             var sender = new FeedSender(outbox, hub, feed, receipts)) {
            var numbered = sender.put("registered F00000001", event);
            sender.awaitAcknowledged(numbered.sequence());
            var broken = outbox.quarantined(feed, numbered.sequence());
            System.out.println(feed + " " + numbered.sequence() + (numbered.isNew() ? " new: " : " sent before: ")
                + (broken.isEmpty() ? "recorded" : "quarantined " + broken));
        }
    }
}
