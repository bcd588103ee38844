"""How much later words reach a caller because the guard holds back what may become a match."""

import asyncio
import json
import ssl
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from time import perf_counter

import typer
import uvloop

from benchmarks import grpc_connection
from benchmarks.cells import plan_for
from benchmarks.connection import Answer, Connection, connect
from benchmarks.contestants import HEADRACE, INFERENCE, Contestant, headrace
from benchmarks.generator import render_request
from benchmarks.kinds import Kind
from benchmarks.load import Plan, Summary
from benchmarks.processes import ROOT, ContestantError
from benchmarks.report import JsonFile, Prepare, Quick, Target, begin, table

WORD_SECONDS = 0.05
PASSAGE_WORDS = 40
PASSAGES, QUICK_PASSAGES = 400, 32
STREAMS = 8
ANSWER_SECONDS = 30.0

Arrival = tuple[int, float]
"""Characters that have come so far, and when, in seconds since the request was sent."""


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Stream passages of this project's own documents, 20 words a second, through the guard."""
    console, machine = begin(prepare=prepare)
    texts = some_passages(QUICK_PASSAGES if quick else PASSAGES)
    if quick:
        console.print(f"Quick: {QUICK_PASSAGES} passages instead of {PASSAGES}.")
    try:
        with headrace(word_seconds=WORD_SECONDS) as contestants:
            heard = uvloop.run(_compared(contestants, texts))
    except ContestantError as error:
        console.print(f"ERROR {error}")
        raise typer.Exit(1) from error
    added = [seconds for passage in heard for seconds in passage]
    later = Summary.of(added)
    rows = [(f"{limit} ms", _part(added, limit / 1000)) for limit in (5, 10, 20, 40, 60, 120)]
    passed = sum(map(bool, heard))
    console.print(f"{passed} passages; rules keep {len(heard) - passed} from passing as they are.")
    title = f"{len(added)} words: how many are later by at most"
    console.print(table(title, ("later by", "of the words"), rows))
    p99 = None if later.p99 is None else later.p99 * 1000
    target = Target("p99 added to a word of a stream, ms", p99, 60.0, at_most=True)
    console.print(f"longest: {later.maximum * 1000:.0f} ms", target.line(), sep="\n")
    if json_file:
        figures = {"machine": asdict(machine), "added": added, "targets": [asdict(target)]}
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def some_passages(number: int) -> Sequence[str]:
    """So many, from all over our documents."""
    every = list(_passages())
    return every[:: len(every) // number][:number]


def _passages() -> Iterator[str]:
    """Paragraphs, be they prose, tables or code, in parts of so many words."""
    for path in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))):
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            words = paragraph.split()
            for at in range(0, len(words), PASSAGE_WORDS):
                yield " ".join(words[at : at + PASSAGE_WORDS])


def added_to(alone: Sequence[Arrival], guarded: Sequence[Arrival]) -> list[float]:
    """For each word that the engine told alone: how much later it came through the gateway."""
    reached = [characters for characters, _ in guarded]
    return [guarded[bisect_left(reached, characters)][1] - at for characters, at in alone]


def _part(added: Sequence[float], seconds: float) -> str:
    return f"{sum(each <= seconds for each in added) / len(added):.2%}"


async def _compared(
    contestants: Sequence[Contestant], texts: Sequence[str]
) -> Sequence[Sequence[float]]:
    """What is added to each word; to none of a passage that does not pass as it is."""
    by_name = {contestant.name: contestant for contestant in contestants}
    places = asyncio.Semaphore(STREAMS)

    async def compare(text: str) -> Sequence[float]:
        async with places, asyncio.timeout(2 * ANSWER_SECONDS):
            guarded = await _over_http(by_name[HEADRACE], text)
            return added_to(await _by_grpc(by_name[INFERENCE], text), guarded) if guarded else ()

    return await asyncio.gather(*map(compare, texts))


async def _over_http(contestant: Contestant, text: str) -> list[Arrival]:
    """Nothing, if the guard does not let the passage pass as it is."""
    tls = ssl.create_default_context(cafile=contestant.ca_file)
    connection = await connect(contestant.url, tls, _Timed)
    sent_at = perf_counter()
    answer = await connection.ask(render_request(_plan(contestant, text)))
    if answer.status != 200 or answer.text(streamed=True) != text:
        return []
    return [(_characters(answer, size), at - sent_at) for size, at in answer.pieces]


async def _by_grpc(contestant: Contestant, text: str) -> list[Arrival]:
    connection = grpc_connection.GrpcConnection(contestant.url)
    request = render_request(_plan(contestant, text))
    sent_at, characters, heard = perf_counter(), 0, []
    async for piece in connection.pieces(request):
        characters += len(piece)
        heard.append((characters, perf_counter() - sent_at))
    return heard


def _plan(contestant: Contestant, text: str) -> Plan:
    return plan_for(contestant, 0, Kind("passage", text, text, streamed=True), 1)


def _characters(answer: Answer, size: int) -> int:
    """Of the text, in whole events among the first bytes of a stream."""
    part = Answer()
    part.body = answer.body[: answer.body.rindex(b"\n\n", 0, size)]
    return len(part.text(streamed=True))


class _Timed(Connection):
    """Notes when each piece of an answer's body came."""

    def on_body(self, piece: bytes) -> None:
        super().on_body(piece)
        self._answer.pieces.append((len(self._answer.body), perf_counter()))


if __name__ == "__main__":
    typer.run(main)
