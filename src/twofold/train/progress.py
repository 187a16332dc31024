"""A line that tells how a run is doing: steps, losses, photographs per second, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """Show a run's progress: a live bar on a terminal, plain lines elsewhere.

    Args:
        first: steps done before this process began.
        steps: length of the run.
        photographs: photographs per step, over all processes.
        enabled: False (all processes but the first) shows nothing.
    """

    def __init__(self, first: int, steps: int, photographs: int, *, enabled: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.enabled = enabled
        self.photographs = photographs
        self.rate = 0.0
        self._last = (first, time.monotonic())
        self._steps = steps
        self._live = enabled and sys.stderr.isatty()
        self._bar = Bar(
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=steps, completed=first)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, done: int, losses: dict[str, float]) -> None:
        """Show the losses after ``done`` steps, and measure the rate since the last call."""
        now = time.monotonic()
        before, then = self._last
        self._last = (done, now)
        self.rate = (done - before) * self.photographs / max(1e-9, now - then)
        listed = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        self._say(done, f"{listed}  {self.rate:.1f} photographs/s")

    def note(self, done: int, figures: dict[str, float]) -> None:
        """Print figures that shall stay in view, such as a validation's."""
        listed = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        if self.enabled:
            self._bar.console.print(f"step {done}: {listed}", highlight=False)

    def _say(self, done: int, text: str) -> None:
        if self._live:
            self._bar.update(self._task, completed=done, description=text)
        elif self.enabled:
            print(f"step {done} of {self._steps}: {text}", file=sys.stderr, flush=True)
