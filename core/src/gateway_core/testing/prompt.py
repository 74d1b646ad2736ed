"""A person at the login prompt, scripted: what they answer, and what they were told."""

import asyncio
from collections import deque

from gateway_core.errors import LoginRequired

__all__ = ["NobodyAnswers", "ScriptedPrompt"]


class NobodyAnswers(LoginRequired, EOFError):
    """Nobody sits at the terminal; the same error that the command line raises."""


class ScriptedPrompt:
    """A `LoginPrompt`. answers: what is typed or pasted, in order; then the person just sits there.

    shown: everything told. questions: everything asked. opened: the URLs that a browser was opened
    with. waiting: set when the person has nothing left to say. given_up: whether a question was
    taken back.
    """

    def __init__(self, *answers: str, has_browser: bool = True, has_terminal: bool = True) -> None:
        self.answers = deque(answers)
        self.shown: list[str] = []
        self.questions: list[str] = []
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.waiting = asyncio.Event()
        self.given_up = False
        self._has_browser = has_browser
        self._has_terminal = has_terminal

    def show(self, message: str) -> None:
        """Remember the message."""
        self.shown.append(message)

    async def ask(self, question: str, *, secret: bool = False) -> str:
        """The next answer, or no answer at all."""
        self.questions.append(question)
        if not self._has_terminal:
            raise NobodyAnswers("nobody is there to answer")
        if self.answers:
            return self.answers.popleft()
        self.waiting.set()
        try:
            return await self.think()
        finally:
            self.given_up = True

    async def think(self) -> str:
        """What the person says in the end; they never do, unless a subclass knows better."""
        await asyncio.Event().wait()
        raise AssertionError("nobody ends this wait but by cancelling it")

    def open_browser(self, url: str) -> bool:
        """Hand the URL to the test, which is the browser."""
        self.opened.put_nowait(url)
        return self._has_browser
