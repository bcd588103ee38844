"""The transformers library alone as a server, told DIRECTORY PORT `generate` or `continuous`."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, ContinuousBatchingConfig

BATCH = 64
"""Requests that go into one call of `generate` at most: those that wait when it begins."""
CACHE_TOKENS = 64 * 1280
PAGE_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt that waits for its answer, token ids."""

    tokens: list[int]
    max_tokens: int
    answer: "asyncio.Future[list[int]]"


Answer = Callable[[Job], Awaitable[list[int]]]


class Library:
    """A model with its tokenizer, at full precision, which is what the library does by default."""

    def __init__(self, directory: str) -> None:
        torch.set_num_threads(os.cpu_count() or 1)
        self.tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()

    def generate(self, jobs: list[Job]) -> list[list[int]]:
        """All of them in one batch, which ends when its longest answer has ended."""
        prompts = {"input_ids": [job.tokens for job in jobs]}
        padded = self.tokenizer.pad(prompts, return_tensors="pt")
        with torch.no_grad():
            out = self.model.generate(
                **padded, do_sample=False, max_new_tokens=max(job.max_tokens for job in jobs)
            )
        answers = out[:, padded["input_ids"].shape[1] :].tolist()
        return [
            self._until_end(answer)[: job.max_tokens]
            for answer, job in zip(answers, jobs, strict=True)
        ]

    def _until_end(self, answer: list[int]) -> list[int]:
        end = self.tokenizer.eos_token_id
        return answer[: answer.index(end) + 1] if end in answer else answer


class StaticBatches:
    """`generate` over whoever waits when the batch before has ended."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._waiting: asyncio.Queue[Job] = asyncio.Queue(BATCH)

    async def answer(self, job: Job) -> list[int]:
        """Wait for the batch that it is in."""
        await self._waiting.put(job)
        return await job.answer

    async def run(self) -> None:
        """For ever."""
        while True:
            jobs = [await self._waiting.get()]
            while not self._waiting.empty():
                jobs.append(self._waiting.get_nowait())
            answers = await asyncio.to_thread(self._library.generate, jobs)
            for job, answer in zip(jobs, answers, strict=True):
                if not job.answer.done():
                    job.answer.set_result(answer)


class Continuous:
    """The library's continuous batching."""

    def __init__(self, library: Library) -> None:
        self._manager: Any = library.model.init_continuous_batching(
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE_TOKENS, num_blocks=CACHE_TOKENS // PAGE_TOKENS, max_batch_tokens=512
            )
        )
        self._manager.start()
        self._number = 0

    async def answer(self, job: Job) -> list[int]:
        """Wait for its last token."""
        self._number += 1
        name = f"benchmark-{self._number}"
        self._manager.register_result_handler(name, partial(_finish, job))
        self._manager.add_request(job.tokens, request_id=name, max_new_tokens=job.max_tokens)
        return await job.answer


def _finish(job: Job, output: Any) -> None:
    if output.is_finished() and not job.answer.done():
        job.answer.set_result(list(output.generated_tokens))


async def handle(
    answer: Answer, tokenizer: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One OpenAI text completion of a connection, as one chunk with its usage."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        body = orjson.loads(await reader.readexactly(length))
        tokens = tokenizer(body["prompt"])["input_ids"]
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        found = await answer(Job(tokens, body["max_tokens"], future))
        text = tokenizer.decode(found, skip_special_tokens=True)
        chunk = {"choices": [{"text": text}], "usage": {"completion_tokens": len(found)}}
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writer.write(b"data: " + orjson.dumps(chunk) + b"\n\ndata: [DONE]\n\n")
        await writer.drain()
    writer.close()


async def serve(directory: str, port: int, way: str) -> None:
    """Until SIGTERM."""
    library = Library(directory)
    batches = StaticBatches(library)
    answer = batches.answer if way == "generate" else Continuous(library).answer
    running = asyncio.ensure_future(batches.run())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    handler = partial(handle, answer, library.tokenizer)
    async with await asyncio.start_server(handler, "127.0.0.1", port):
        await stopped.wait()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
    # the library's batching thread does not end by itself
    os._exit(0)
