"""A streaming response is recorded once, at its end, with the bytes that were sent."""

from __future__ import annotations

import asyncio
import io
import os
from contextlib import suppress

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import FileResponse, StreamingHttpResponse
from hypothesis import given
from hypothesis import strategies as st

from gateway import streams


class Failure(Exception):
    """What a view's generator raised."""


@pytest.fixture(autouse=True, scope="module")
def _no_database():
    """As Django's test client has it: closing a response would close old database connections, too."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


def watched(response, **options):
    """The response, and the list its recorded sizes go to."""
    sizes: list[int] = []
    streams.on_close(response, sizes.append, **options)
    return sizes


async def alist(response):
    return [chunk async for chunk in response]


def achunks(*chunks, error=None):
    async def generate():
        for chunk in chunks:
            yield chunk
        if error:
            raise error

    return generate()


def chunks(*parts, error=None):
    yield from parts
    if error:
        raise error


@given(st.lists(st.one_of(st.binary(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_a_stream_is_recorded_at_its_close_with_its_bytes(parts):
    response = StreamingHttpResponse(parts)
    sizes = watched(response)

    body = b"".join(response)
    assert sizes == []
    response.close()

    assert sizes == [len(body)]
    assert body == b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def test_an_async_stream_is_recorded_at_its_close_with_its_bytes():
    response = StreamingHttpResponse(achunks(b"one", "två"))
    sizes = watched(response)

    assert asyncio.run(alist(response)) == [b"one", "två".encode()]
    assert sizes == []
    response.close()

    assert sizes == [7]


def test_a_stream_closed_early_is_recorded_with_what_was_sent():
    response = StreamingHttpResponse(chunks(b"12", b"345", b"6789"))
    sizes = watched(response)

    iterator = iter(response)
    next(iterator)
    next(iterator)
    response.close()

    assert sizes == [5]


def test_a_stream_that_is_never_read_is_recorded_with_nothing():
    response = StreamingHttpResponse(chunks(b"12"))
    sizes = watched(response)
    response.close()
    assert sizes == [0]


def test_closing_closes_the_view_s_generator():
    closed = []

    def generate():
        try:
            yield b"1"
            yield b"2"
        finally:
            closed.append(True)

    response = StreamingHttpResponse(generate())
    watched(response)
    next(iter(response))
    response.close()

    assert closed == [True]


@pytest.mark.parametrize("error", [Failure(), SystemExit(), GeneratorExit()])
def test_a_generator_that_raises_midway_is_recorded_once_with_what_was_sent(error):
    response = StreamingHttpResponse(chunks(b"12", b"3", error=error))
    sizes = watched(response)

    with pytest.raises(type(error)):
        list(response)
    assert sizes == [3]
    response.close()
    response.close()

    assert sizes == [3]


def test_an_async_generator_that_raises_is_recorded_though_nobody_closes():
    response = StreamingHttpResponse(achunks(b"12", error=Failure()))
    sizes = watched(response)

    with pytest.raises(Failure):
        asyncio.run(alist(response))

    assert sizes == [2]


def test_an_async_stream_that_is_cancelled_is_recorded_with_what_was_sent():
    async def endless():
        while True:
            yield b"x"
            await asyncio.sleep(0.001)

    response = StreamingHttpResponse(endless())
    sizes = watched(response)

    async def leave_early():
        task = asyncio.create_task(alist(response))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave_early())
    assert len(sizes) == 1
    assert sizes[0] > 0


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_sync_stream_under_asgi_and_an_async_one_under_wsgi_are_counted():
    under_asgi = StreamingHttpResponse(chunks(b"12", b"3"))
    under_wsgi = StreamingHttpResponse(achunks(b"1234"))
    sizes = [*watched(under_asgi), *watched(under_wsgi)]
    recorded = watched(under_asgi), watched(under_wsgi)

    assert asyncio.run(alist(under_asgi)) == [b"12", b"3"]
    assert list(under_wsgi) == [b"1234"]
    under_asgi.close()
    under_wsgi.close()

    assert sizes == []
    assert recorded == ([3], [4])


def test_a_response_that_fails_to_close_is_recorded():
    class Stubborn:
        def __iter__(self):
            return iter([b"1"])

        def close(self):
            raise Failure

    response = StreamingHttpResponse(Stubborn())
    sizes = watched(response)
    list(response)
    with suppress(Failure):
        response.close()

    assert sizes == [1]


def test_a_file_keeps_the_way_to_sendfile_and_counts_what_it_announces(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * 10_000)
    response = FileResponse(path.open("rb"))
    sizes = watched(response, sendfile=True)

    assert response.file_to_stream is not None
    response.file_to_stream.close = response.close  # as Django's WSGI handler does
    response.file_to_stream.read()
    response.file_to_stream.close()

    assert sizes == [10_000]
    assert response.closed


def test_a_file_without_sendfile_counts_what_was_sent(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * 10_000)
    response = FileResponse(path.open("rb"))
    sizes = watched(response)

    next(iter(response))
    response.close()

    assert sizes == [response.block_size]


def test_a_file_without_an_announced_length_is_counted():
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    response = FileResponse(os.fdopen(reading, "rb"))
    assert "Content-Length" not in response
    sizes = watched(response, sendfile=True)

    assert b"".join(response) == b"12345"
    response.close()

    assert sizes == [5]


def test_a_file_in_memory_is_read_whole():
    response = FileResponse(io.BytesIO(b"123"))
    sizes = watched(response)
    assert b"".join(response) == b"123"
    response.close()
    assert sizes == [3]
