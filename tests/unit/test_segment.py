"""A line that was written is read again; one that was not written to its end is none."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway import segments
from gateway.segment import unsettled

LINE = b'["a","b"]\n'


@pytest.fixture(autouse=True)
def _own_state(settings, tmp_path):
    settings.VAR_DIR = tmp_path


@pytest.fixture
def segment():
    one = segments.begin(synced=False)
    yield one
    one.remove()


class Interrupted:
    """Memory into which a request writes at the last moment before its position is moved."""

    def __init__(self, memory: mmap.mmap, line: bytes) -> None:
        self._memory, self._line = memory, line

    def seek(self, position: int) -> None:
        self._memory.write(self._line)
        self._line = b""
        self._memory.seek(position)

    def __getattr__(self, name):
        return getattr(self._memory, name)

    def __getitem__(self, key):
        return self._memory[key]

    def __setitem__(self, key, value):
        self._memory[key] = value


def content(segment):
    return unsettled(segment.path.read_bytes())


def test_after_it_is_sealed_nothing_is_written(segment):
    write = segment.memory.write
    assert segment.append(LINE)
    end = segment.end

    segment.seal()
    segment.seal()

    with pytest.raises(ValueError, match="out of range"):
        write(LINE)
    assert not segment.append(LINE)
    assert segment.end == end
    assert segment.take(10) == (LINE, 1)


@pytest.mark.parametrize("free", [0, 50])
def test_what_a_request_wrote_while_it_was_sealed_is_part_of_it(segment, free):
    segment.append(b"x" * (segment.size - segment.end - len(LINE) - free - 1) + b"\n")
    segment.memory = Interrupted(segment.memory, LINE)

    segment.seal()

    assert segment.end == segment.size - free
    assert segment.take(10)[0].endswith(b"\n" + LINE)
    segment.memory = segment.memory._memory


def test_one_that_a_request_writes_into_while_it_is_emptied_keeps_that(segment):
    segment.append(b"x" * (segment.size // 2) + b"\n")
    segment.take(10)
    segment.outstanding = 0
    segment.memory = Interrupted(segment.memory, LINE)

    segment.settle()

    segment.memory = segment.memory._memory
    assert segment.take(10) == (LINE, 1)
    assert content(segment) == [LINE[:-1]]
    assert segment.append(LINE)
    assert segment.take(10) == (LINE, 1)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_no_more_lines_are_taken_than_asked_for_and_the_next_ones_later(segment, most):
    for number in range(3):
        segment.append(b"%d\n" % number)

    first, count = segment.take(most)
    assert (first, count) == (b"0\n1\n2\n"[: 2 * most], min(most, 3))
    assert (segment.outstanding, segment.untaken) == (count, 3 - count)
    rest, left = segment.take(10)
    assert first + rest == b"0\n1\n2\n"
    assert count + left == 3 == segment.outstanding


def test_an_emptied_one_is_as_new(segment):
    new = segment.path.read_bytes()
    segment.append(b"x" * (segment.size // 2) + b"\n")
    segment.take(10)
    segment.outstanding = 0

    segment.settle()

    assert segment.path.read_bytes() == new
    assert segment.is_empty
    assert segment.append(LINE)
    assert content(segment) == [LINE[:-1]]


texts = st.binary().map(lambda text: text.replace(b"\0", b"").replace(b"\n", b"")).filter(bool)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(texts, max_size=5), last=texts, data=st.data())
def test_of_a_line_cut_short_anywhere_nothing_is_left_and_the_others_are_whole(lines, last, data):
    """Whichever of its bytes were copied before the process was killed, not all of them."""
    torn = bytearray(last + b"\n")
    lost = data.draw(st.sets(st.integers(0, len(torn) - 1), min_size=1))
    for place in lost:
        torn[place] = 0
    file = b"S 0000000b\n" + b"".join(line + b"\n" for line in lines) + torn + bytes(100)

    assert unsettled(file) == lines
