"""How far a process's memory grows: by the kernel's own high-water mark (Linux)."""

from __future__ import annotations

from pathlib import Path

RESET_PEAK = "5"  # written to clear_refs; see proc(5)


class Peak:
    """Around a piece of work: `growth` is its highest resident size less that at its start, in bytes."""

    growth = 0

    def __enter__(self) -> Peak:
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)
        self._before = resident("VmRSS")
        return self

    def __exit__(self, *failure: object) -> None:
        self.growth = resident("VmHWM") - self._before


def resident(name: str, pid: int | str = "self") -> int:
    """VmRSS (now) or VmHWM (the highest so far) of a process, in bytes.

    Raises OSError or StopIteration for one that has ended.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
