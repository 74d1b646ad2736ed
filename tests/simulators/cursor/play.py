"""One run from its first message to its end: the order of things, and the script in the middle."""

import asyncio
import hashlib
from typing import Any, Final, NoReturn

from google.protobuf import json_format

from gateway_core.json import JsonObject, dumps
from gateway_cursor.proto import agent_pb2 as pb
from simulators.cursor.backend import Backend
from simulators.cursor.calls import Call, make_call
from simulators.cursor.ends import Over, end_as_told
from simulators.cursor.faults import error, with_details
from simulators.cursor.problem import Problem
from simulators.cursor.run import text_of
from simulators.cursor.script import END_VERBS
from simulators.cursor.session import Session
from simulators.cursor.turns import locate
from simulators.cursor.validate_answers import context_problems, exec_problems, mcp_problems
from simulators.cursor.validate_history import read_history
from simulators.cursor.validate_request import image_data, model_of, request_problems

__all__ = ["play"]

_ONLY_AUTO: Final = with_details(
    "resource_exhausted",
    51,
    "Named models unavailable",
    "Free plans can only use Auto.",
    autoSwitchToModel="default",
)
_PROMPT_TOKENS: Final = 7_000
"""What Cursor's own prompt takes in every request."""


async def play(session: Session, backend: Backend) -> None:
    """Serve one run."""
    try:
        await _Play(session, backend).whole()
    except Over:
        pass
    except Exception as wrong:
        session.wrong(f"the simulator itself failed: {wrong!r}")
        await session.end(error("internal", "The simulator failed."))
    finally:
        session.run.phase = "ended"
        backend.changed()


class _Play:
    def __init__(self, session: Session, backend: Backend) -> None:
        self._session = session
        self._backend = backend
        self._run = session.run
        self._shapes: frozenset[str] = frozenset()
        self._words = 0
        self._usage: JsonObject = {}
        self._used: tuple[int, int] | None = None
        self._step = 0

    # The order of things

    async def whole(self) -> None:
        """All of it."""
        request = await self._session.first
        await self._session.stream.head(200, {"content-type": "application/connect+proto"})
        if request is None:
            await self._fail(error("invalid_argument", "no run was asked for"))
        self._run.request.CopyFrom(request)
        await self._refuse(*request_problems(self._run.request), *self._conversation_problems())
        await self._ask_for_context()
        await self._read_blobs()
        run = self._run
        run.prompt, run.turn = locate(run.entries, run.said, self._backend.script)
        run.phase = "streaming"
        self._backend.changed()
        while await self._section(self._backend.steps(run)):
            run.turn += 1
        await self._end_turn()

    def _conversation_problems(self) -> list[Problem]:
        run, backend = self._run, self._backend
        found = []
        account = run.account
        if account is not None and account.limit is None and run.model != "default":
            found.append(Problem("a free plan has no named models", _ONLY_AUTO, blame=False))
        if run.conversation in backend.poisoned:
            refused = error("resource_exhausted")
            found.append(Problem("the conversation is poisoned", refused, blame=False))
        known = backend.models.setdefault(run.conversation, run.model)
        if known != run.model:
            missing = error("internal", "Blob not found")
            found.append(Problem(f"the conversation was with {known}", missing))
        busy = [
            other
            for other in backend.runs
            if other is not run
            and other.conversation == run.conversation
            and other.phase == "streaming"
            and not other.turn_ended
        ]
        if busy:
            found.append(Problem("the conversation has another run at the same time"))
        if backend.refuses_resuming and run.resumes:
            refused = error("invalid_argument")
            found.append(Problem("no run may resume", refused, blame=False))
        return found

    async def _refuse(self, *problems: Problem) -> None:
        for problem in problems:
            if problem.blame:
                self._session.wrong(problem.text)
        for problem in problems:
            if problem.error is not None:
                await self._fail(problem.error)

    async def _fail(self, told: JsonObject) -> NoReturn:
        await self._session.end(told)
        raise Over

    async def _ask_for_context(self) -> None:
        session, offered = self._session, self._run.tools
        question = await session.ask(
            "request_context_args",
            pb.RequestContextArgs(),
            lambda answer: context_problems(answer, offered),
        )
        answer = await question.settled
        assert answer is not None
        context = answer.request_context_result.success.request_context
        self._run.context.CopyFrom(context)
        if context.tools and not offered:
            session.wrong("tools are offered in the context alone")

    async def _read_blobs(self) -> None:
        state = self._run.request.conversation_state
        blobs = [await self._blob(id) for id in state.root_prompt_messages_json]
        self._run.history, problems = read_history(blobs)
        await self._refuse(*problems)
        self._run.results.update(self._run.history.results)
        self._run.failed |= self._run.history.failed
        for id in state.turns:
            await self._read_turn(await self._blob(id))
        for image in self._run.images:
            if image.WhichOneof("data_or_blob_id") == "blob_id":
                await self._blob(image.blob_id)
        own = dumps({"role": "system", "content": "You are an agent in Cursor."})
        await self._session.set_blob(hashlib.sha256(own).digest(), own)

    async def _read_turn(self, data: bytes) -> None:
        turn = pb.ConversationTurnStructure.FromString(data).agent_conversation_turn
        message = pb.UserMessage.FromString(await self._blob(turn.user_message))
        if not message.text and not message.selected_context.selected_images:
            self._session.wrong("a turn has a message without words")
        for id in turn.steps:
            step = pb.ConversationStep.FromString(await self._blob(id))
            if step.WhichOneof("message") != "assistant_message":
                refused = error("invalid_argument")
                await self._refuse(Problem("a turn has a step that is no text", refused))

    async def _blob(self, id: bytes) -> bytes:
        data = await self._session.get_blob(id)
        if data is None:
            missing = error("internal", "Blob not found")
            await self._refuse(Problem(f"the blob {id.hex()} is missing", missing))
        assert data is not None
        if hashlib.sha256(data).digest() != id:
            self._session.wrong(f"the blob {id.hex()} is not what its id says")
        return data

    # The script

    async def _section(self, steps: list[JsonObject]) -> bool:
        """One step of the model; whether it is one with calls, after which it goes on."""
        session = self._session
        self._step += 1
        shapes = [shape for step in steps if step["do"] == "shape" for shape in step["shapes"]]
        self._shapes = frozenset(shapes)
        session.compress = "gzip" in shapes
        session.split = "split" in shapes
        session.coalesce = "coalesced" in shapes
        await session.show(step_started=pb.StepStartedUpdate(step_id=self._step))
        calls: list[Call] = []
        index = 0
        while index < len(steps):
            step = steps[index]
            if step["do"] == "tool":
                batch = [step]
                while index + 1 < len(steps) and steps[index + 1]["do"] == "tool":
                    index += 1
                    batch.append(steps[index])
                calls += await self._call(batch)
            elif step["do"] in END_VERBS:
                await self._tell_usage_before(step)
                await end_as_told(step, session)
            else:
                await self._do(step, calls)
            index += 1
        await session.flush()
        if calls:
            self._backend.changed()
            for call in calls:
                await self._completed(call)
            self._run.phase = "streaming"
        return bool(calls)

    async def _call(self, steps: list[JsonObject]) -> list[Call]:
        session, shapes = self._session, self._shapes
        tools = self._run.tools
        calls = [make_call(step["name"], step["members"], tools, shapes) for step in steps]
        # Before anything is sent: a client may be quicker than what comes after sending.
        self._run.phase = "waiting"
        if "serial" in shapes:
            for call in calls[:-1]:
                await call.announce(session, growing="partial" in shapes)
                await call.ask(session)
                await self._completed(call)
            calls = calls[-1:]
        if "no-announce" not in shapes:
            for call in calls:
                await call.announce(session, growing="partial" in shapes)
        if "arguments-late" in shapes:
            await session.flush()
            await asyncio.sleep(0.4)
        for call in calls:
            await call.ask(session)
        ends = ["checkpoint", "step"]
        for kind in reversed(ends) if "step-first" in shapes else ends:
            if f"no-{kind}" not in shapes:
                await (self._checkpoint(calls) if kind == "checkpoint" else self._end_step())
        return calls

    async def _completed(self, call: Call) -> None:
        result = await call.complete(self._session)
        if result is not None:
            id = call.args.tool_call_id
            self._run.given[id] = result
            self._run.results[id] = text_of(result)
            if result.WhichOneof("result") != "success" or result.success.is_error:
                self._run.failed.add(id)

    async def _do(self, step: JsonObject, calls: list[Call]) -> None:
        session, verb = self._session, step["do"]
        word: Any = step.get("word", "")
        if verb == "text":
            await self._text(step["text"])
        elif verb == "think":
            for piece in _pieces(step["text"]):
                await session.show(thinking_delta=pb.ThinkingDeltaUpdate(text=piece))
            await self._count(step["text"])
            done = pb.ThinkingCompletedUpdate(thinking_duration_ms=1200)
            await session.show(thinking_completed=done)
        elif verb == "burst":
            for number in range(step["words"]):
                await session.show(text_delta=pb.TextDeltaUpdate(text=f"word{number} "))
            await self._count("word " * step["words"])
        elif verb == "echo":
            await self._text(self._told(word))
        elif verb == "wait":
            await session.flush()
            await asyncio.sleep(step["seconds"])
        elif verb == "usage":
            self._usage = {key: value for key, value in step.items() if key != "do"}
        elif verb == "context":
            self._used = step["used"], step["window"]
        elif verb == "abort":
            question = calls[int(word)].question
            assert question is not None
            await session.withdraw(question)
        elif verb != "shape":
            await self._ask(verb, step, word)

    async def _ask(self, verb: str, step: JsonObject, word: str) -> None:
        session = self._session
        if verb == "ask":
            kind = step["name"]
            args = None
            if kind != "unknown":
                args = getattr(pb.ExecServerMessage(), kind)
                json_format.ParseDict(step["members"], args)
            question = await session.ask(kind, args, lambda a: exec_problems(kind, args, a))
            await question.settled
        elif verb == "probe":
            args = make_call(word, {}, self._run.tools, self._shapes).args
            args.smart_mode_approval_only = True
            question = await session.ask("mcp_args", args, lambda a: mcp_problems(args, a, ()))
            await question.settled
        elif verb == "query":
            kind = step["name"]
            query = None
            if kind != "unknown":
                query = getattr(pb.InteractionQuery(), kind)
                json_format.ParseDict(step["members"], query)
            await session.query(kind, query)
        elif verb == "keep":
            data, id = step["text"].encode(), hashlib.sha256(b"as given").digest()
            await session.set_blob(id, data)
            if await session.get_blob(id) != data:
                session.wrong("a blob is another than the one that was to be kept")
        elif verb == "miss":
            if await session.get_blob(hashlib.sha256(b"nobody").digest()) is not None:
                session.wrong("there is a blob that nobody made")
        else:
            await self._show(verb, word)

    async def _show(self, verb: str, word: str) -> None:
        session = self._session
        if verb == "native":
            tool = pb.ToolCall()
            getattr(tool, word).SetInParent()
            started = pb.ToolCallStartedUpdate(call_id="native-1", tool_call=tool)
            await session.show(tool_call_started=started)
            completed = pb.ToolCallCompletedUpdate(call_id="native-1", tool_call=tool)
            await session.show(tool_call_completed=completed)
        elif verb == "refused":
            call = make_call(word, {}, self._run.tools, self._shapes)
            await call.announce(session, growing=False)
            tool = call.notice
            tool.mcp_tool_call.result.rejected.reason = "Refused by the server."
            completed = pb.ToolCallCompletedUpdate(call_id=call.args.tool_call_id, tool_call=tool)
            await session.show(tool_call_completed=completed)
        elif verb == "summary":
            await session.show(summary_started=pb.SummaryStartedUpdate())
            await session.show(summary=pb.SummaryUpdate(summary="What was said so far."))
            await session.show(summary_completed=pb.SummaryCompletedUpdate())
        elif verb == "odd":
            await session.send(b"\x42\x02\x08\x01")  # field 8, as newer servers have it
            await session.send(b"\x0a\x03\x9a\x06\x00")  # an update of a kind nobody knows

    async def _text(self, text: str) -> None:
        for piece in _pieces(text):
            await self._session.show(text_delta=pb.TextDeltaUpdate(text=piece))
        await self._count(text)

    async def _count(self, text: str) -> None:
        tokens = max(1, len(text.split()))
        self._words += tokens
        await self._session.show(token_delta=pb.TokenDeltaUpdate(tokens=tokens))

    def _told(self, word: str) -> str:
        run = self._run
        if word == "results":
            return "\n".join(run.results.values())
        if word == "failed":
            return f"{len(run.failed)} failed"
        if word == "images":
            return " ".join(
                f"{one.mime_type}:{hashlib.sha256(image_data(one)).hexdigest()}"
                for one in run.images
            )
        if word == "tools":
            return " ".join(tool.tool_name for tool in run.tools)
        if word == "rule":
            return run.context.cloud_rule
        return {"prompt": run.said or "", "system": run.history.system, "model": run.model}[word]

    # Ends

    async def _checkpoint(self, calls: list[Call]) -> None:
        roots = self._run.request.conversation_state.root_prompt_messages_json
        used, window = self._used or self._guessed()
        state = pb.ConversationStateStructure(
            root_prompt_messages_json=roots,
            token_details=pb.ConversationTokenDetails(used_tokens=used, max_tokens=window),
            pending_tool_calls=[f'{{"id":"{call.args.tool_call_id}"}}' for call in calls],
        )
        await self._session.say(conversation_checkpoint_update=state)

    def _guessed(self) -> tuple[int, int]:
        said = sum(len(str(entry)) for entry in self._run.entries) + len(self._run.said or "")
        model = model_of(self._run.request)
        window = 200_000 if model is None else model.window
        return _PROMPT_TOKENS + said // 4 + self._words, window

    async def _end_step(self) -> None:
        done = pb.StepCompletedUpdate(step_id=self._step, step_duration_ms=900)
        await self._session.show(step_completed=done)

    async def _tell_usage_before(self, step: JsonObject) -> None:
        """A turn that ends, though its stream does not, ends like any other."""
        if step["do"] == "open":
            await self._checkpoint([])
            await self._turn_ended()

    async def _turn_ended(self) -> None:
        ended = pb.TurnEndedUpdate()
        if "no-usage" not in self._shapes:
            used, _ = self._used or self._guessed()
            told = {"input": used - self._words, "output": self._words, "read": 0, "write": 0}
            told |= self._usage
            ended.input_tokens, ended.output_tokens = told["input"], told["output"]
            ended.cache_read_tokens, ended.cache_write_tokens = told["read"], told["write"]
            if "reasoning" in told:
                ended.reasoning_tokens = told["reasoning"]
        # Before it is sent: the answer of a client is quicker than what comes after sending.
        self._run.turn_ended = True
        await self._session.show(turn_ended=ended)

    async def _end_turn(self) -> None:
        await self._end_step()
        await self._checkpoint([])
        await self._turn_ended()
        await self._session.end()


def _pieces(text: str) -> list[str]:
    """A text as a model writes it: a few words at a time."""
    return [text[start : start + 12] for start in range(0, len(text), 12)] or [""]
