"""What runs out: memory under a flood, and the disk."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.ingest import flood
from tests.collector.process import batch, collector, fresh
from tests.collector.test_faults import wait_for
from tests.unit.collector.otlp import a_span
from waypost.store.embedded import EmbeddedPostgres
from waypost.store.engine import connect
from waypost.store.migrate import migrate

pytestmark = [pytest.mark.slow, pytest.mark.store]


def test_a_collector_stays_below_400_megabytes_while_eight_projects_flood_it() -> None:
    assert flood(4) < 400_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def bulky(first: int) -> bytes:
    """Twenty spans of 20 KB that no compression makes small."""
    return fresh(*(a_span(first + n, text=os.urandom(10_000).hex()) for n in range(1, 21)))


def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with EmbeddedPostgres(small_disk / "pg", buffers_mb=16, fsync=False) as server:
        engine = connect(server.url)
        migrate(engine)
        engine.dispose()
        with collector(server.url, small_disk / "c") as running:
            assert running.post(batch(0, 20)).status_code == 200
            free = psutil.disk_usage(str(small_disk)).free
            ballast.write_bytes(bytes(max(0, free - (1 << 20))))
            acknowledged, codes = set(range(1, 21)), set()
            for number in range(1, 200):
                answer = running.post(bulky(number * 20))
                codes.add(answer.status_code)
                if answer.status_code == 200:
                    acknowledged |= set(range(number * 20 + 1, number * 20 + 21))
                elif len(codes) > 1:
                    break
            ballast.unlink()
            if not server.answers():
                server.start()
            running.wait_until()
            found = wait_for(server.url, acknowledged)
    assert codes == {200, 503}
    assert acknowledged - set(found) == set()
    assert len(found) == len(set(found))
