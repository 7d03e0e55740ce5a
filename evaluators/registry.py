"""Finding evaluators: the built-in folder, entry points, and a folder named in the settings."""

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from evaluators.evaluator import Evaluator
from waypost.errors import PluginBroken
from waypost.plugins import discover

PACKAGE = "evaluators.builtin"
GROUP = "waypost.evaluators"


def find_evaluators(folders: Iterable[Path] = ()) -> Mapping[str, Evaluator]:
    """Every evaluator by name. PluginBroken when one cannot load or two share a name."""
    found: dict[str, Evaluator] = {}
    plugs = discover(Evaluator, package=PACKAGE, group=GROUP)
    for plug in [*plugs, *(p for folder in folders for p in _in_folder(folder))]:
        other = found.setdefault(plug.name, plug)
        if other is not plug:
            raise PluginBroken(f"Two evaluators are called {plug.name!r}; rename one of them.")
    return found


def _in_folder(folder: Path) -> list[Evaluator]:
    if not folder.is_dir():
        raise PluginBroken(f"The evaluator folder {folder} does not exist; create or unset it.")
    modules = [_load(path) for path in sorted(folder.glob("*.py")) if path.name[0] not in "._"]
    return [v for m in modules for v in vars(m).values() if isinstance(v, Evaluator)]


def _load(path: Path) -> ModuleType:
    name = f"waypost_evaluators_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginBroken(f"Evaluator file {path} is not a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, TypeError, ValueError) as error:
        raise PluginBroken(f"Evaluator file {path} failed to load: {error}") from error
    return module
