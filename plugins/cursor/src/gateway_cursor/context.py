"""The answer to Cursor's question where the user works: nothing of this machine, only what the
client told. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway_cursor.proto import agent_pb2 as pb
from gateway_cursor.tools import PROVIDER, ToolTable

__all__ = ["Place", "read_place", "request_context"]

_FOLDER: Final = re.compile(
    r"^[ \t]*(?:-[ \t]*)?(?:Primary w|W)orking directory: (/\S[^\n]*|[A-Za-z]:[\\/][^\n]*)$"
    r"|<cwd>([^<\n]{1,4096})</cwd>",
    re.MULTILINE,
)
_SHELL: Final = re.compile(
    r"^[ \t]*(?:-[ \t]*)?Shell: (\S+)|<shell>([^<\n]{1,200})</shell>", re.MULTILINE
)
_SYSTEM: Final = re.compile(r"^[ \t]*(?:-[ \t]*)?OS Version: ([^\n]{1,200})$", re.MULTILINE)
_SHELL_NAME: Final = "bash"
_SYSTEM_NAME: Final = "linux"
_PREFER: Final = (
    "These are the tools of the user's own program, and the only ones that reach the user's files, "
    "shell and network. Cursor's built-in tools for files, shell, search and edits do not work "
    "here: use these instead."
)


@dataclass(slots=True, frozen=True)
class Place:
    """Where the client says that it works. folder: empty when it does not say."""

    folder: str = ""
    shell: str = _SHELL_NAME
    system: str = _SYSTEM_NAME


def read_place(texts: Iterable[str]) -> Place:
    """What the prompts of coding clients tell of their surroundings; the first text to name the
    folder is asked for the rest too.
    """
    for text in texts:
        if (found := _FOLDER.search(text)) is not None:
            shell, system = _SHELL.search(text), _SYSTEM.search(text)
            return Place(
                (found[1] or found[2]).strip(),
                (shell[1] or shell[2]).strip() if shell else _SHELL_NAME,
                system[1].strip() if system else _SYSTEM_NAME,
            )
    return Place()


def request_context(
    place: Place, tools: ToolTable, rule: str, *, with_tools: bool = True, search: bool = False
) -> pb.RequestContext:
    """The context of a run.

    rule: what the model must heed, which reaches it better here than in the history. with_tools:
    whether the definitions go in here too. search: whether Cursor may search the web.
    """
    context = pb.RequestContext(
        env=environment(place),
        env_info_complete=True,
        mcp_info_complete=True,
        rules_info_complete=True,
        repository_info_complete=True,
        git_status_info_complete=True,
        agent_skills_info_complete=True,
        custom_subagents_info_complete=True,
        mcp_file_system_info_complete=True,
    )
    if tools.definitions:
        if with_tools:
            context.tools.extend(tools.definitions)
        context.mcp_instructions.add(
            server_name=PROVIDER, server_identifier=PROVIDER, instructions=_PREFER
        )
    if rule:
        context.cloud_rule = rule
    if search:
        context.web_search_enabled = True
    return context


def environment(place: Place) -> pb.RequestContextEnv:
    """The surroundings alone."""
    return pb.RequestContextEnv(
        os_version=place.system,
        shell=place.shell,
        time_zone="UTC",
        workspace_paths=[place.folder] if place.folder else [],
    )
