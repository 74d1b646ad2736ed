"""`gateway plugins new`: writes a provider plugin from the templates of the core.

Only fills in names; what the files say is in `gateway_core/templates`.
"""

import re
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

import click

from gateway_core.cli.group import Failure
from gateway_core.hookspecs import PROJECT

__all__ = ["KINDS", "plugin_files", "write_plugin"]

KINDS: Final = {
    "chat": "OpenAI's Chat Completions format",
    "responses": "OpenAI's Responses format",
    "own": "a protocol of its own, one JSON object on each line",
}
"""What the upstream of a new plugin can speak, in words for its README."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z0-9]|localhost")
_RESERVED: Final = frozenset(
    {"all", "auto", "core", "gateway", "none", "plugins", "providers", "routing", "server"}
)
_LONGEST_NAME = 24
_LONGEST_TITLE = 32
_SUFFIX = ".tmpl"


def write_plugin(
    name: str, kind: str, into: Path | None, title: str | None, host: str | None
) -> None:
    """Write the distribution and print what to do next. Raises `Failure` for names that cannot be
    used and for a folder that holds something.
    """
    name = name.removeprefix("gateway-")
    _check_name(name)
    title = title or " ".join(word.capitalize() for word in name.split("-"))
    _check_title(title)
    host = (host or f"api.{name}.example").lower()
    if not _HOST.fullmatch(host):
        raise Failure(f"{host!r} is no host name; write it like api.{name}.com, without https://")
    folder = (into or Path(f"gateway-{name}")).expanduser()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise Failure(f"{folder} is there and not empty; choose another folder with --into")
    written = plugin_files(name, kind, title, host)
    for path, data in written.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    click.echo(f"wrote gateway-{name}, {len(written)} files, to {folder}\n\nNext:")
    for command in (
        f"cd {folder}",
        "pip install -e '.[test]'",
        "pytest",
        f"gateway plugins check {name}",
        f"gateway login {name}",
        "gateway serve",
    ):
        click.echo(f"  {command}")


def plugin_files(name: str, kind: str, title: str, host: str) -> dict[str, bytes]:
    """The files of a new plugin, by their paths with slashes. kind: one of `KINDS`."""
    module = f"gateway_{name.replace('-', '_')}"
    names = {
        "name": name,
        "title": title,
        "host": host,
        "module": module,
        "klass": "".join(word.capitalize() for word in name.split("-")),
        "env": f"GATEWAY_PROVIDERS__{name.replace('-', '_').upper()}",
        "bounds": _bounds(version("gateway-core")),
        "speaks": KINDS[kind],
        "suffix": "jsonl" if kind == "own" else "sse",
    }
    templates = files("gateway_core") / "templates"
    written = {}
    for part in ("common", kind):
        for path, data in _files(templates / part, ""):
            path = re.sub(r"(^|/)dot-", r"\1.", path.replace("src/module/", f"src/{module}/"))
            if path.endswith(_SUFFIX):
                path = path.removesuffix(_SUFFIX)
                data = Template(data.decode()).substitute(names).encode()
            written[path] = data
    return dict(sorted(written.items()))


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry.read_bytes()


def _bounds(installed: str) -> str:
    """From this core on, and below the next that may break plugins (docs/versioning.md)."""
    major, minor = (int(number) for number in re.findall(r"\d+", installed)[:2])
    ceiling = f"0.{minor + 1}" if major == 0 else str(major + 1)
    return f">={major}.{minor},<{ceiling}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise Failure(
            f"{name!r} cannot be the name of a provider: lower-case letters, digits and single "
            f"hyphens, beginning with a letter, at most {_LONGEST_NAME} in all"
        )
    if name in _RESERVED:
        raise Failure(f"{name!r} is a word of the gateway itself; call it after the vendor")
    if name in {entry.name for entry in entry_points(group=PROJECT)}:
        raise Failure(f"a plugin {name!r} is installed already; see `gateway plugins show {name}`")


def _check_title(title: str) -> None:
    odd = not title.isprintable() or title.strip() != title or set(title) & set("\"'\\{}$`<>|")
    if odd or not title or len(title) > _LONGEST_TITLE:
        raise Failure(
            f"{title!r} cannot be a title: at most {_LONGEST_TITLE} printable characters without "
            "quotes, braces and the like"
        )
