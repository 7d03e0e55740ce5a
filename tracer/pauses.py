"""Where a run that waits for a person is remembered until it goes on, here or elsewhere."""

import hashlib
import json
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from tracer.run import Call, Pause
from tracer.shield import LOG

_KEPT: Final = 1024
_DAYS: Final = 30 * 86_400


class Pauses:
    """Pauses by checkpoint id: in memory, and as small files that other processes can read.

    A file holds ids and counts only, never arguments or texts.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: OrderedDict[str, Pause] = OrderedDict()

    def save(self, checkpoint: str, pause: Pause) -> None:
        """Remember what waits at a checkpoint."""
        self._memory[checkpoint] = pause
        if len(self._memory) > _KEPT:
            self._memory.popitem(last=False)
        if self._folder is None:
            return
        try:
            self._write(self._folder, checkpoint, pause)
        except OSError as error:
            LOG.debug("pause not written, only this process can resume it: %s", error)

    def find(self, checkpoint: str) -> Pause | None:
        """What waits at a checkpoint, if anybody remembers."""
        known = self._memory.get(checkpoint)
        if known is not None or self._folder is None:
            return known
        try:
            return _read(json.loads(self._path(self._folder, checkpoint).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, folder: Path, checkpoint: str, pause: Pause) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(folder, checkpoint)
        draft = path.with_suffix(f".{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(_shape(pause), file)
        draft.replace(path)
        _sweep(folder)

    @staticmethod
    def _path(folder: Path, checkpoint: str) -> Path:
        return folder / f"{hashlib.sha256(checkpoint.encode()).hexdigest()[:40]}.json"


def default_folder() -> Path | None:
    """The user's state folder; none where there is no home."""
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "state") / "waypost" / "pauses"
    except RuntimeError:
        return None


def _shape(pause: Pause) -> dict[str, Any]:
    calls = {
        agent: [[c.id, c.name, c.turn, c.runs, c.answered] for c in found]
        for agent, found in pause.calls.items()
    }
    return {
        "trajectory": pause.trajectory, "trace": pause.trace, "span": pause.span,
        "steps": pause.steps, "turns": pause.turns, "calls": calls, "pending": pause.pending,
    }  # fmt: skip


def _read(shape: dict[str, Any]) -> Pause:
    calls = {
        agent: [
            Call(i, name, None, turn, runs, answered) for i, name, turn, runs, answered in found
        ]
        for agent, found in shape["calls"].items()
    }
    return Pause(
        shape["trajectory"], shape["trace"], shape["span"], shape["steps"], shape["turns"], calls,
        shape["pending"],
    )  # fmt: skip


def _sweep(folder: Path) -> None:
    """Forget what nobody came back to for a month."""
    oldest = time.time() - _DAYS
    for path in folder.glob("*.json"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
