"""Counts the bytes of a streaming response and tells when it is over.

A stream ends when the server closes the response (also after the client left), or when its own iterator
fails: an ASGI server does not close a response whose iterator raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.http.response import HttpResponseBase

Done = Callable[[int], None]


def on_close(response: HttpResponseBase, done: Done, *, sendfile: bool = False) -> None:
    """Calls `done(bytes sent)` once, at the end of the stream.

    `sendfile` says that the server takes files out of Django's hands (`wsgi.file_wrapper`).
    """
    ending = _Ending(done)
    if sendfile and getattr(response, "file_to_stream", None) is not None and "Content-Length" in response:
        # Left as it is, so that the server's sendfile still works; nobody can count what the kernel sent,
        # so the bytes are those announced.
        ending.size = _announced(response)
    elif response.is_async:  # type: ignore[attr-defined]
        response.streaming_content = _AsyncCount(response.streaming_content, ending)  # type: ignore[attr-defined]
    else:
        response.streaming_content = _Count(response.streaming_content, ending)  # type: ignore[attr-defined]
    close = response.close

    def close_and_record() -> None:
        try:
            close()
        finally:
            ending.reached()

    response.close = close_and_record  # type: ignore[method-assign]


def _announced(response: HttpResponseBase) -> int:
    length = response.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


class _Ending:
    """What has been sent so far, and the one call at the end."""

    def __init__(self, done: Done) -> None:
        self.size = 0
        self._done: Done | None = done

    def reached(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self.size)


class _Count:
    def __init__(self, chunks: Any, ending: _Ending) -> None:
        self._chunks = iter(chunks)
        self._ending = ending

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            raise
        except BaseException:
            self._ending.reached()
            raise
        self._ending.size += len(chunk)
        return chunk


class _AsyncCount:
    def __init__(self, chunks: Any, ending: _Ending) -> None:
        self._chunks = aiter(chunks)
        self._ending = ending

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException:
            self._ending.reached()
            raise
        self._ending.size += len(chunk)
        return chunk
