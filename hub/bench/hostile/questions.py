"""What everybody may do, and too much of it: questions at 250 at once, subscriptions from the beginning."""

import grpc
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, feed_service_pb2, references_pb2, subscription_service_pb2

from hub.bench.hostile.scene import CHECK, EXPLAIN, FEED, GET_FEED, SUBSCRIBE, Scene
from hub.bench.load import card_no

AT_ONCE = 250
CONNECTIONS = 8
SUBSCRIPTIONS = 64
_GET_FEED = feed_service_pb2.GetFeedRequest(feed=FEED).SerializeToString()
_SUBSCRIBE = subscription_service_pb2.SubscribeRequest().SerializeToString()


def question(request_id: str, number: int) -> card_service_pb2.CheckAcceptanceRequest:
    """A question about one of the cards of the load."""
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=request_id, scenario="TRA.MET", service_region="510100", medium=acceptance_pb2.MEDIUM_CONTACTLESS
    )
    request.card.issuing_province, request.card.clear = "50", card_no(number % 1_000)
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    return request


def explanation(number: int) -> card_service_pb2.ExplainAcceptanceRequest:
    """Asks for the explanation of a question that nobody asked."""
    return card_service_pb2.ExplainAcceptanceRequest(hypothetical=question("hypothetical", number))


async def checks(scene: Scene) -> None:
    """CheckAcceptance."""

    async def call(channel: grpc.aio.Channel, number: int) -> object:
        asked = question(f"hostile-{scene.began_at}-{number}", number)
        return await channel.unary_unary(f"/{CHECK}")(asked.SerializeToString(), timeout=10)

    await scene.calling(AT_ONCE, CONNECTIONS, call)


async def explanations(scene: Scene) -> None:
    """ExplainAcceptance."""

    async def call(channel: grpc.aio.Channel, number: int) -> object:
        return await channel.unary_unary(f"/{EXPLAIN}")(explanation(number).SerializeToString(), timeout=10)

    await scene.calling(AT_ONCE, CONNECTIONS, call)


async def feeds(scene: Scene) -> None:
    """GetFeed."""

    async def call(channel: grpc.aio.Channel, _: int) -> object:
        return await channel.unary_unary(f"/{GET_FEED}")(_GET_FEED, timeout=10)

    await scene.calling(AT_ONCE, CONNECTIONS, call)


async def subscriptions(scene: Scene) -> None:
    """64 subscriptions from position 0, each begun again as soon as it has caught up."""

    async def call(channel: grpc.aio.Channel, _: int) -> object:
        stream = channel.unary_stream(f"/{SUBSCRIBE}")(_SUBSCRIBE)
        async for answer in stream:
            progress = subscription_service_pb2.SubscribeResponse.FromString(answer).progress
            if scene.is_over or 0 < progress.head_position <= progress.position:
                break
        stream.cancel()
        return stream

    await scene.calling(SUBSCRIPTIONS, CONNECTIONS, call)
