"""Where the labelled data and recorded spans lie that tests and benchmarks read."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("WAYPOST_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
SAMPLES = DATA / "otlp_samples"
