"""Runs something once a module is there: now if it is imported already, else when it will be."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

Then = Callable[[ModuleType], object]


class Later(MetaPathFinder):
    """A finder that only watches: it finds what the usual one finds and tells who waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Then]] = {}

    def when(self, name: str, then: Then) -> None:
        """Call `then(module)` now or right after the module's first import."""
        module = sys.modules.get(name)
        if module is not None and not _is_loading(module):
            then(module)
        else:
            self._waiting.setdefault(name, []).append(then)

    def install(self) -> None:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The usual spec with a loader that tells; None, for others to find, if nobody waits."""
        if name not in self._waiting:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Telling(spec.loader, self._waiting.pop(name))
        return spec


class _Telling(Loader):
    """Loads like another loader, then tells."""

    def __init__(self, loader: Loader, then: list[Then]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Hand the module back to its own loader, so that nobody sees ours, and run it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for then in self._then:
            then(module)


def _is_loading(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))
