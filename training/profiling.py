"""Where the time of a training step goes: `train --profile DIR`.

After a few steps to warm up, some steps are traced with torch.profiler, then some are timed with
plain clocks, since a trace slows its steps down. Then it writes its files and costs nothing more:
DIR/trace.json (for chrome://tracing or https://ui.perfetto.dev), profile.txt and profile.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch
from torch.profiler import ProfilerActivity, record_function

PhaseName = Literal["data", "forward", "backward", "optimiser"]
PHASES: tuple[PhaseName, ...] = ("data", "forward", "backward", "optimiser")
OTHER = "other"
"""What a step does outside its phases; a validation between two steps counts here too."""

WARM_UP = 3
TRACED = 4
TIMED = 20
TOP_OPERATORS = 15


class Profile:
    """Profiles the first steps of a loop; with the folder None it does nothing at all.

    with Profile(Path("runs/profile")) as profile:
        for batch in batches:
            with profile.phase("forward"):
                ...
            profile.step()
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._steps = 0
        self._seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._timed = 0
        self._timed_since = 0.0
        self._timed_seconds = 0.0
        self._operators: list[dict[str, Any]] = []
        self._traced = 0
        self._tracer: torch.profiler.profile | None = None
        self._mode: Literal["off", "wait", "trace", "time"] = "off" if folder is None else "wait"

    def __enter__(self) -> Profile:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what there is, when the loop ended early."""
        if self._mode == "trace":
            self._stop_trace()
        if self._mode != "off":
            self._finish()

    def phase(self, name: PhaseName) -> AbstractContextManager[None]:
        """The context of one phase of a step."""
        if self._mode == "time":
            return self._clock(name)
        if self._mode == "trace":
            return _recorded(name)
        return nullcontext()

    def step(self) -> None:
        """One step has ended."""
        if self._mode == "off":
            return
        self._steps += 1
        if self._mode == "time":
            self._timed += 1
            self._timed_seconds = _now() - self._timed_since
        if self._steps == WARM_UP:
            self._start_trace()
        elif self._mode == "trace":
            self._traced += 1
            if self._traced == TRACED:
                self._stop_trace()
                self._mode, self._timed_since = "time", _now()
        elif self._timed == TIMED:
            self._finish()

    @contextmanager
    def _clock(self, name: str) -> Iterator[None]:
        started = _now()
        try:
            yield
        finally:
            self._seconds[name] += _now() - started

    def _start_trace(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._tracer = torch.profiler.profile(activities=activities)
        self._tracer.start()
        self._mode = "trace"

    def _stop_trace(self) -> None:
        assert self._tracer is not None  # noqa: S101 - only called in mode trace
        assert self.folder is not None  # noqa: S101
        _now()  # what the device still works on belongs to the trace
        self._tracer.stop()
        self._tracer.export_chrome_trace(str(self.folder / "trace.json"))
        events = [item for item in self._tracer.key_averages() if item.key not in PHASES]
        events.sort(key=lambda item: item.self_cpu_time_total, reverse=True)
        self._operators = [
            {
                "name": item.key,
                "calls": item.count,
                "self_cpu_ms": round(item.self_cpu_time_total / 1000, 3),
                "self_device_ms": round(item.self_device_time_total / 1000, 3),
            }
            for item in events[:TOP_OPERATORS]
        ]
        self._tracer = None

    def _finish(self) -> None:
        self._mode = "off"
        assert self.folder is not None  # noqa: S101 - mode off without a folder
        result = self._result()
        phases, operators = _phase_table(result), _operator_table(result)
        text = json.dumps(result, indent=2) + "\n"
        (self.folder / "profile.json").write_text(text, encoding="utf-8")
        (self.folder / "profile.txt").write_text(f"{phases}\n\n{operators}\n", encoding="utf-8")
        print(f"{phases}\nprofile: {self.folder}", flush=True)

    def _result(self) -> dict[str, Any]:
        """The contents of profile.json; times are per timed step, operators' over all traced."""
        seconds = {**self._seconds, OTHER: self._timed_seconds - sum(self._seconds.values())}
        steps, whole = max(1, self._timed), self._timed_seconds or 1.0
        return {
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "steps_timed": self._timed,
            "ms_per_step": round(self._timed_seconds / steps * 1000, 3),
            "phases": [
                {
                    "phase": name,
                    "ms_per_step": round(value / steps * 1000, 3),
                    "share": round(value / whole, 4),
                }
                for name, value in seconds.items()
            ],
            "steps_traced": self._traced,
            "operators": self._operators,
        }


def _now() -> float:
    """Seconds, once the device has done what it was given."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def _recorded(name: str) -> Iterator[None]:
    with record_function(name):
        yield


def _phase_table(result: dict[str, Any]) -> str:
    if not result["steps_timed"]:
        return f"No step was timed: that begins after {WARM_UP + TRACED} steps."
    lines = [f"{'phase':<12}{'ms per step':>14}{'share':>9}"]
    lines += [
        f"{row['phase']:<12}{row['ms_per_step']:>14.2f}{row['share']:>9.1%}"
        for row in result["phases"]
    ]
    lines.append(f"{'step':<12}{result['ms_per_step']:>14.2f}{1:>9.1%}")
    where = f"{result['device']}, {result['threads']} threads, torch {result['torch']}"
    return "\n".join([*lines, f"{result['steps_timed']} steps on {where}"])


def _operator_table(result: dict[str, Any]) -> str:
    if not result["operators"]:
        return f"No step was traced: that begins after {WARM_UP} steps."
    lines = [
        f"{TOP_OPERATORS} operators with most CPU time of their own in {result['steps_traced']} "
        "traced steps (of which tracing took some)",
        f"{'operator':<52}{'calls':>8}{'CPU ms':>12}{'device ms':>12}",
    ]
    lines += [
        f"{row['name'][:50]:<52}{row['calls']:>8}{row['self_cpu_ms']:>12.2f}"
        f"{row['self_device_ms']:>12.2f}"
        for row in result["operators"]
    ]
    return "\n".join(lines)
