"""Where the labelled data and recorded spans lie that tests read, and where servers keep theirs."""

import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("WAYPOST_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
SAMPLES = DATA / "otlp_samples"
MEMORY = Path("/dev/shm")  # a folder of one's own is made in it
ROOM = 2 << 30


def quick_folder(prefix: str) -> Path:
    """A new folder in memory where there is room for it; whoever asked removes it.

    A database is some hundred files: to make and drop them on a disk takes ten times the CPU.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if has_room else None))
