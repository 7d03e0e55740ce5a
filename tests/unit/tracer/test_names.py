"""The names the package offers are callables, and no module of it takes one over."""

import subprocess
import sys

CODE = """
import tracer
tracer.instrument("http://127.0.0.1:9")
import pkgutil, importlib
for module in pkgutil.iter_modules(tracer.__path__):
    importlib.import_module("tracer." + module.name)
wrong = [n for n in tracer.__all__ if not callable(getattr(tracer, n))]
assert not wrong, wrong
"""


def test_no_module_shadows_a_name_of_the_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
