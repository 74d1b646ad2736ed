"""Flags, environment and file as one tree of values, each with its origin, and the words for what
is wrong with one of them.

Reads no file and validates nothing itself: `gateway_core.settings` does, and comes back here with
pydantic's complaint to have it said in terms of files, lines and variables.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from gateway_core.settings_file import KeyPath, SettingsError, TomlFile, dotted, parse_key

__all__ = [
    "FLAGS",
    "Gathered",
    "Origin",
    "explain_invalid",
    "gather",
    "is_declared",
    "is_secret",
    "origin_of",
    "suggestion",
    "wrong_setting",
]

_PREFIX = "GATEWAY_"
_SHORT_FORMS: dict[str, KeyPath | None] = {
    "GATEWAY_BIND": ("server", "bind"),
    "GATEWAY_API_KEY": ("server", "api_key"),
    "GATEWAY_PLUGINS": ("plugins", "enabled"),
    "GATEWAY_MODEL_FALLBACK": ("routing", "fallback"),
    "GATEWAY_HOME": None,  # moves the files, see gateway_core.paths
    "GATEWAY_PROVIDER": None,  # an option of commands, not a setting
}
FLAGS: dict[str, str] = {
    "server.bind": "--bind",
    "server.api_key": "--api-key",
    "server.require_key": "--no-key",
    "routing.fallback": "--model-fallback",
    "log.level": "--log-level",
}
"""The flag that sets a key, for messages."""

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a string",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
}
_SECRET_WORDS = ("key", "token", "secret", "password", "credential", "cookie")


@dataclass(slots=True, frozen=True)
class Origin:
    """Where a value comes from. `name` is the flag, the variable, or the file; `line` its line."""

    kind: Literal["flag", "environment", "file"]
    name: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


@dataclass(slots=True)
class Gathered:
    """The merged tree, and the origin of each leaf by its dotted key."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def put(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Set a leaf or merge a table, over whatever is there."""
        if isinstance(value, Mapping) and value:
            for key, item in value.items():
                self.put((*path, str(key)), item, origin)
            return
        table = self.values
        for key in path[:-1]:
            inner = table.get(key)
            if not isinstance(inner, dict):
                inner = table[key] = {}
            table = inner
        if isinstance(table.get(path[-1]), dict) and value == {}:
            return
        table[path[-1]] = value
        self.origins[dotted(path)] = origin


def gather(
    file: TomlFile,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    tables: type[BaseModel],
) -> Gathered:
    """Merge the sources, later ones winning: file, environment, flags.

    Raises `SettingsError` for variables that mean no setting.
    """
    gathered = Gathered()
    for name in file.data:
        if name not in tables.model_fields:
            meant = suggestion(name, tables.model_fields)
            advice = f"did you mean {meant!r}?" if meant else _choices(tables.model_fields)
            raise SettingsError(
                f"there is no table {name!r}; {advice}", file=file.file, line=file.line_of((name,))
            )
    for path, value in _leaves(file.data, ()):
        gathered.put(path, value, Origin("file", str(file.file), file.line_of(path)))
    variables = sorted(name for name in environ if name.startswith(_PREFIX) and environ[name])
    for name in sorted(variables, key=lambda name: "__" in name):  # the long form wins
        variable_path = _variable_path(name, tables)
        if variable_path is not None:
            value = _variable_value(environ[name])
            gathered.put(variable_path, value, Origin("environment", name))
    for key, flag_value in flags.items():
        if flag_value is not None:
            gathered.put(parse_key(key), flag_value, Origin("flag", FLAGS.get(key, key)))
    return gathered


def explain_invalid(
    error: ValidationError,
    model: type[BaseModel],
    prefix: KeyPath,
    origins: Mapping[str, Origin],
) -> SettingsError:
    """The first complaint, in the order of the file, in terms of where the value came from; what is
    missing comes last, as a misspelled name may be what it is.

    prefix: where the model's table stands in the tree.
    """
    complaints = []
    for detail in error.errors(include_url=False):
        path = prefix + _known_path(detail, model)
        origin = origin_of(path, origins)
        complaints.append((origin.line or 0 if origin else 0, path, origin, detail))
    complaints.sort(key=lambda complaint: (complaint[3]["type"] == "missing", complaint[0]))
    _, path, origin, detail = complaints[0]
    others = len({complaint[1] for complaint in complaints}) - 1
    more = f" (and {others} more)" if others else ""
    return _say(_cause(detail, path, prefix, model, origin) + more, origin)


def origin_of(path: KeyPath, origins: Mapping[str, Origin]) -> Origin | None:
    """Where the value at a path comes from: its own origin, else one of what is inside it, else
    that of what encloses it.
    """
    for length in range(len(path), 0, -1):
        start = dotted(path[:length])
        if start in origins:
            return origins[start]
        inside = [origin for key, origin in origins.items() if key.startswith(f"{start}.")]
        if inside:
            return min(inside, key=lambda origin: origin.line or 0)
    return None


def wrong_setting(path: KeyPath, cause: str, origins: Mapping[str, Origin]) -> SettingsError:
    """The error for a setting that is wrong for another reason than its shape. cause: what and why,
    with the setting's name.
    """
    return _say(cause, origin_of(path, origins))


def is_secret(path: KeyPath, model: type[BaseModel] | None = None) -> bool:
    """Whether the value at a path must not be shown: its name says so, or its declared type.

    model: where the path starts, when it is known.
    """
    if path and any(word in path[-1].lower() for word in _SECRET_WORDS):
        return True
    annotation: Any = model
    spread: list[Any] = []
    for key in path:
        info = annotation.model_fields.get(key) if _is_model(annotation) else None
        if info is None:
            return _holds_secret(annotation)
        spread = _spread(info.annotation)
        annotation = next(filter(_is_model, spread), info.annotation)
    return any(_holds_secret(one) for one in spread if not _is_union(one) and not _is_model(one))


def is_declared(path: KeyPath, model: type[BaseModel]) -> bool:
    """Whether a model has a setting at this path, or one that is a table with any keys."""
    annotation: Any = model
    for key in path:
        if not _is_model(annotation):
            return True
        info = annotation.model_fields.get(key)
        if info is None:
            return False
        annotation = next(filter(_is_model, _spread(info.annotation)), info.annotation)
    return True


def _holds_secret(annotation: Any, around: tuple[Any, ...] = ()) -> bool:
    """Whether a value of this type may have a secret anywhere in it. around: the models that it is
    in, as one may hold others of its kind.
    """
    if _is_model(annotation):
        fields = () if annotation in around else annotation.model_fields.values()
        return any(_holds_secret(info.annotation, (*around, annotation)) for info in fields)
    if annotation in (SecretStr, SecretBytes):
        return True
    return any(_holds_secret(inner, around) for inner in get_args(annotation))


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(difflib.get_close_matches(word, list(known), 1, 0.6)), None)


def _leaves(value: Any, path: KeyPath) -> Iterable[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _variable_path(name: str, tables: type[BaseModel]) -> KeyPath | None:
    """The setting that a variable means; None for those of other programs and our own others."""
    if name in _SHORT_FORMS:
        return _SHORT_FORMS[name]
    bare = name.removeprefix(_PREFIX)
    if "__" not in bare:
        # Web servers and container platforms set GATEWAY_INTERFACE, GATEWAY_PORT and the like.
        short = [form.removeprefix(_PREFIX) for form in _SHORT_FORMS]
        if close := difflib.get_close_matches(bare, short, 1, 0.85):
            raise SettingsError(f"{name}: unknown variable; did you mean {_PREFIX}{close[0]}?")
        return None
    first, *rest = bare.lower().split("__")
    if first not in tables.model_fields:
        meant = suggestion(first, tables.model_fields)
        hint = "__".join([meant or "", *rest]).upper()
        advice = f"did you mean {_PREFIX}{hint}?" if meant else _choices(tables.model_fields)
        raise SettingsError(f"{name}: there is no table {first!r}; {advice}")
    if first == "providers" and rest:
        rest[0] = rest[0].replace("_", "-")  # a provider id may have hyphens, a variable may not
    if not all(rest):
        raise SettingsError(f"{name}: write {_PREFIX}TABLE__KEY, like GATEWAY_SERVER__BIND")
    return (first, *rest)


def _variable_value(text: str) -> object:
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _known_path(detail: ErrorDetails, model: type[BaseModel]) -> KeyPath:
    """The keys of a complaint's place, without pydantic's names of union members and indexes."""
    path: list[str] = []
    annotation: Any = model
    for part in detail["loc"]:
        if not isinstance(part, str):
            break
        path.append(part)
        info = annotation.model_fields.get(part) if _is_model(annotation) else None
        if info is not None:
            annotation = info.annotation
        elif _is_model(annotation):
            break
        inner = _spread(annotation)
        model_within = next(filter(_is_model, inner), None)
        if model_within is None and not any(get_origin(item) is dict for item in inner):
            break
        annotation = model_within or next(
            get_args(item)[1] for item in inner if get_origin(item) is dict
        )
    return tuple(path)


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in (Union, UnionType, Annotated)


def _spread(annotation: Any) -> list[Any]:
    """The annotation and the members of the unions and `Annotated` around it, not of containers."""
    spread = [annotation]
    if _is_union(annotation):
        for member in get_args(annotation):
            spread += _spread(member)
    return spread


def _cause(
    detail: ErrorDetails,
    path: KeyPath,
    prefix: KeyPath,
    model: type[BaseModel],
    origin: Origin | None,
) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        siblings = _siblings(path[len(prefix) :], model)
        place = f" in [{dotted(path[:-1])}]" if len(path) > 1 else ""
        meant = suggestion(path[-1], siblings)
        if meant is None:
            return f"unknown setting {path[-1]!r}{place}; {_choices(siblings)}"
        if origin is not None and origin.kind == "environment":
            variable = _PREFIX + "__".join((*path[:-1], meant)).upper().replace("-", "_")
            return f"unknown setting {path[-1]!r}{place}; did you mean {variable}?"
        return f"unknown setting {path[-1]!r}{place}; did you mean {meant!r}?"
    value = detail["input"]
    shown = (
        ""
        if is_secret(path[len(prefix) :], model) or isinstance(value, dict | list)
        else f", not {value!r}"
    )
    if kind == "literal_error":
        return f"{dotted(path)} must be {detail['ctx']['expected']}{shown}"
    if kind == "value_error":
        return f"{dotted(path)}: {detail['ctx']['error']}"
    if kind == "missing":
        return f"{dotted(path)} is required"
    expected = _EXPECTED.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if expected:
        return f"{dotted(path)} must be {expected}{shown}"
    message = detail["msg"]
    return f"{dotted(path)}: {message[:1].lower()}{message[1:]}{shown}"


def _say(cause: str, origin: Origin | None) -> SettingsError:
    if origin is None:
        return SettingsError(cause)
    if origin.kind == "file":
        return SettingsError(cause, file=Path(origin.name), line=origin.line)
    return SettingsError(f"{origin.name}: {cause}")


def _siblings(path: KeyPath, model: type[BaseModel]) -> list[str]:
    current: Any = model
    for key in path[:-1]:
        info = current.model_fields.get(key)
        current = next(filter(_is_model, _spread(info.annotation)), None) if info else None
        if current is None:
            return []
    return list(current.model_fields)


def _choices(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f"known are {known}" if known else "it has no settings"
