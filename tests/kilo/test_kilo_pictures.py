"""Models of Kilo that paint: asked for pictures by `modalities`, as routers have it."""

from gateway_core import FunctionTool, HostedTool, Message, Request, Route, Text
from gateway_core.degrade import degrade
from gateway_core.json import JsonObject, loads_object
from gateway_kilo.models import CAPABILITIES, read_models
from gateway_kilo.request import translate
from gateway_kilo.settings import KiloSettings
from support.about import about

PAINTER = {"id": "vendor/painter", "architecture": {"output_modalities": ["image", "text"]}}
WRITER = {"id": "vendor/writer", "architecture": {"output_modalities": ["text"]}}
PAINTING = HostedTool("image_generation", "image_generation")
LOOK = FunctionTool("look", None, {"type": "object", "properties": {}})


def body_of(request: Request) -> JsonObject:
    route = Route("kilo", "vendor/painter", "vendor/painter")
    return loads_object(translate(request, route, None, KiloSettings()).body)


def test_models_with_pictures_among_their_output_paint() -> None:
    painter, writer = read_models({"data": [PAINTER, WRITER]}, free_only=False)
    assert painter.capabilities is not None
    assert writer.capabilities is not None
    assert painter.capabilities.hosted_tools == {"image_generation"}
    assert writer.capabilities.hosted_tools == CAPABILITIES.hosted_tools == frozenset()


def test_the_hosted_tool_becomes_a_modality() -> None:
    messages = [Message("user", [Text("A dot")])]
    for tools in ([PAINTING], [PAINTING, LOOK], [LOOK]):
        request = Request("vendor/painter", messages, tools=[*tools])
        (painter,) = read_models({"data": [PAINTER]}, free_only=False)
        assert painter.capabilities is not None
        body = body_of(degrade(request, painter.capabilities, "Kilo")[0])
        with about(tools):
            assert body.get("modalities") == (["image", "text"] if PAINTING in tools else None)
            listed = [tool["function"]["name"] for tool in body.get("tools", ())]
            assert listed == (["look"] if LOOK in tools else [])
            assert "tool_choice" not in body
        assert [*request.tools] == [*tools]
