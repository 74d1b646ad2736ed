"""One transcript, decoded again and again in different ways."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate

from gateway_core.errors import GatewayError
from gateway_core.events import Event
from gateway_core.grammar import GrammarError, check_stream
from gateway_core.provider import StreamDecoder, UpstreamCall
from gateway_core.testing.answers import Answer, answer_of
from gateway_core.testing.asking import as_handed_on
from gateway_core.testing.case import NotApplicable, Violation
from gateway_core.testing.framing import frames, is_framed
from gateway_core.testing.subject import Subject
from gateway_core.testing.transcripts import Transcript

__all__ = ["Decoding", "decodings", "fed", "sampled"]

_FEWEST_PLACES = 16
_BYTES_DECODED = 60_000


class Decoding:
    """A transcript and the provider whose decoders read it; each decoding has a fresh decoder.

    The call is fresh too when it has state, which a decoder may change.
    """

    def __init__(self, subject: Subject, transcript: Transcript) -> None:
        self.transcript = transcript
        self.data = transcript.data
        self._subject = subject
        self._route = subject.route(transcript.model)
        try:
            request = subject.request_for(transcript)
            self._request = as_handed_on(subject, request, self._route)
            self._call = self._ask()
        except (GatewayError, KeyError) as error:
            raise Violation(f"{transcript}: its request cannot be asked: {error}") from error

    def __str__(self) -> str:
        return str(self.transcript)

    def decoder(self) -> StreamDecoder:
        """A fresh decoder."""
        if self._call.state is not None:
            self._call = self._ask()
        return self._subject.relay.decoder(self._call, self._route, self.transcript.headers)

    def _ask(self) -> UpstreamCall:
        """The call, translated anew from the request that the core handed on once."""
        return self._subject.relay.translate(self._request, self._route, self._subject.credential)

    def events(self, *pieces: bytes) -> list[Event]:
        """The events of these bytes, read by read, and of the end of the stream.

        Raises `Violation` when the decoder raises or breaks the grammar.
        """
        decoder = self.decoder()
        events = [event for piece in pieces for event in fed(decoder, piece)]
        events += fed(decoder, None)
        try:
            check_stream(events)
        except GrammarError as error:
            raise Violation(str(error)) from error
        return events

    def answer(self, *pieces: bytes) -> Answer:
        """What these bytes say."""
        return answer_of(self.events(*pieces), self.data)

    @cached_property
    def whole_events(self) -> list[Event]:
        """The events of the transcript when it comes in one read."""
        return self.events(self.data)

    @cached_property
    def whole(self) -> Answer:
        """What they say."""
        return answer_of(self.whole_events, self.data)

    @property
    def places(self) -> list[int]:
        """Offsets to cut at: all of them in a small transcript; a sample, and those around the ends
        of events, in a large one. The work stays the same, however large it is.
        """
        most = max(_FEWEST_PLACES, _BYTES_DECODED // (len(self.data) or 1))
        if len(self.data) <= most:
            return list(range(len(self.data)))
        near = {at + step for at in self.boundaries for step in (-1, 0, 1)}
        return sorted(
            {
                *sampled((at for at in near if at < len(self.data)), most // 2),
                *sampled(range(len(self.data)), most // 2),
            }
        )

    @cached_property
    def boundaries(self) -> list[int]:
        """Where the upstream's events end: by their framing, else where a byte completed one."""
        if is_framed(self.transcript):
            return list(accumulate(map(len, frames(self.transcript))))
        decoder = self.decoder()
        ends = range(1, len(self.data) + 1)
        return [end for end in ends if fed(decoder, self.data[end - 1 : end])]


def fed(decoder: StreamDecoder, data: bytes | None) -> Sequence[Event]:
    """What a decoder makes of a read, or of the stream's end (None). Raises `Violation` when it
    raises.
    """
    try:
        return decoder.end() if data is None else decoder.feed(data)
    except Exception as error:
        method = "end" if data is None else "feed"
        advice = "; emit a Fail" if isinstance(error, GatewayError) else ""
        raise Violation(f"{method}() raised {type(error).__name__}: {error}{advice}") from error


def decodings(subject: Subject) -> list[Decoding]:
    """All transcripts of successful answers. Raises `NotApplicable` when there are none."""
    found = [Decoding(subject, item) for item in subject.transcripts if item.is_stream]
    if not found:
        raise NotApplicable(
            "there are no transcripts: set `transcripts` of the conformance class to a folder "
            "with answers of the upstream"
        )
    return found


def sampled(places: Iterable[int], most: int) -> list[int]:
    """At most so many of these places, spread evenly, always the same ones; first and last too."""
    found = sorted(set(places))
    if len(found) <= most:
        return found
    return [found[round(step * (len(found) - 1) / (most - 1))] for step in range(most)]
