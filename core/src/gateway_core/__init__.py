"""gateway-core: a local API gateway built from plugins.

The names below are the public API, for plugin authors and for embedding; everything else may
change. They are loaded on first use, so that the command line starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway_core.app import create_app
    from gateway_core.content import (
        Citation,
        Foreign,
        HostedCall,
        Media,
        Message,
        Part,
        Reasoning,
        Seal,
        Text,
        ToolCall,
        ToolResult,
    )
    from gateway_core.credentials.store import Credential
    from gateway_core.errors import (
        ContextOverflow,
        Forbidden,
        GatewayError,
        InvalidRequest,
        LoginRequired,
        ModelNotFound,
        Overloaded,
        QuotaExhausted,
        RateLimited,
        Unauthorized,
        Unsupported,
        UpstreamFailed,
        UpstreamProtocol,
        UpstreamTimeout,
    )
    from gateway_core.events import Event, Notice, StopReason, Usage
    from gateway_core.hookspecs import CONTRACT, hookimpl
    from gateway_core.json import JsonObject
    from gateway_core.parts import PartWriter, Response, collect
    from gateway_core.provider import (
        Account,
        Capabilities,
        Claim,
        Exchange,
        LoginPrompt,
        Model,
        NoSettings,
        ProviderInfo,
        RateWindow,
        Route,
        StreamDecoder,
        UpstreamCall,
        UpstreamStream,
    )
    from gateway_core.request import CustomTool, FunctionTool, HostedTool, Request, ToolChoice
    from gateway_core.runtime import Runtime
    from gateway_core.settings import Settings, load_settings
    from gateway_core.sse import SSEReader
    from gateway_core.state.info import StateStoreInfo
    from gateway_core.state.store import (
        BatchRequest,
        BatchResult,
        BatchState,
        BatchStore,
        ClaimedRequest,
        Presence,
        ResponseRun,
        ResponseStore,
        RunStore,
        StateError,
        StateStore,
        StoredBatch,
        StoredResponse,
        UsageGroup,
        UsageRecord,
        UsageStore,
        UsageSum,
    )
    from gateway_core.tool_names import ToolAliases

__version__ = "0.1.0"

__all__ = [
    "CONTRACT",
    "Account",
    "BatchRequest",
    "BatchResult",
    "BatchState",
    "BatchStore",
    "Capabilities",
    "Citation",
    "Claim",
    "ClaimedRequest",
    "ContextOverflow",
    "Credential",
    "CustomTool",
    "Event",
    "Exchange",
    "Forbidden",
    "Foreign",
    "FunctionTool",
    "GatewayError",
    "HostedCall",
    "HostedTool",
    "InvalidRequest",
    "JsonObject",
    "LoginPrompt",
    "LoginRequired",
    "Media",
    "Message",
    "Model",
    "ModelNotFound",
    "NoSettings",
    "Notice",
    "Overloaded",
    "Part",
    "PartWriter",
    "Presence",
    "ProviderInfo",
    "QuotaExhausted",
    "RateLimited",
    "RateWindow",
    "Reasoning",
    "Request",
    "Response",
    "ResponseRun",
    "ResponseStore",
    "Route",
    "RunStore",
    "Runtime",
    "SSEReader",
    "Seal",
    "Settings",
    "StateError",
    "StateStore",
    "StateStoreInfo",
    "StopReason",
    "StoredBatch",
    "StoredResponse",
    "StreamDecoder",
    "Text",
    "ToolAliases",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Unauthorized",
    "Unsupported",
    "UpstreamCall",
    "UpstreamFailed",
    "UpstreamProtocol",
    "UpstreamStream",
    "UpstreamTimeout",
    "Usage",
    "UsageGroup",
    "UsageRecord",
    "UsageStore",
    "UsageSum",
    "collect",
    "create_app",
    "hookimpl",
    "load_settings",
]

_HOMES = {
    "app": ("create_app",),
    "content": (
        "Citation",
        "Foreign",
        "HostedCall",
        "Media",
        "Message",
        "Part",
        "Reasoning",
        "Seal",
        "Text",
        "ToolCall",
        "ToolResult",
    ),
    "credentials.store": ("Credential",),
    "errors": (
        "ContextOverflow",
        "Forbidden",
        "GatewayError",
        "InvalidRequest",
        "LoginRequired",
        "ModelNotFound",
        "Overloaded",
        "QuotaExhausted",
        "RateLimited",
        "Unauthorized",
        "Unsupported",
        "UpstreamFailed",
        "UpstreamProtocol",
        "UpstreamTimeout",
    ),
    "events": ("Event", "Notice", "StopReason", "Usage"),
    "hookspecs": ("CONTRACT", "hookimpl"),
    "json": ("JsonObject",),
    "parts": ("PartWriter", "Response", "collect"),
    "provider": (
        "Account",
        "Capabilities",
        "Claim",
        "Exchange",
        "LoginPrompt",
        "Model",
        "NoSettings",
        "ProviderInfo",
        "RateWindow",
        "Route",
        "StreamDecoder",
        "UpstreamCall",
        "UpstreamStream",
    ),
    "request": ("CustomTool", "FunctionTool", "HostedTool", "Request", "ToolChoice"),
    "runtime": ("Runtime",),
    "settings": ("Settings", "load_settings"),
    "sse": ("SSEReader",),
    "state.info": ("StateStoreInfo",),
    "state.store": (
        "BatchRequest",
        "BatchResult",
        "BatchState",
        "BatchStore",
        "ClaimedRequest",
        "Presence",
        "ResponseRun",
        "ResponseStore",
        "RunStore",
        "StateError",
        "StateStore",
        "StoredBatch",
        "StoredResponse",
        "UsageGroup",
        "UsageRecord",
        "UsageStore",
        "UsageSum",
    ),
    "tool_names": ("ToolAliases",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
