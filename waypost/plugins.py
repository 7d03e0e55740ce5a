"""The only discovery code: plugs are found in a package's modules and in entry points."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TypeVar

from waypost.errors import PluginBroken

T = TypeVar("T")


def discover(kind: type[T], *, package: str, group: str) -> list[T]:
    """Every object of `kind` in the modules of `package` and the entry points of `group`.

    Each object once, in order of module and entry-point name. One that cannot be imported
    raises PluginBroken with its name.
    """
    found: dict[int, T] = {}
    for value in [*_modules(package), *_entry_points(group)]:
        members = [value] if isinstance(value, kind) else list(vars(value).values())
        for member in members:
            if isinstance(member, kind):
                found.setdefault(id(member), member)
    return list(found.values())


def _modules(package: str) -> Iterator[object]:
    root = _load(package)
    for name in sorted(module.name for module in pkgutil.iter_modules(root.__path__)):
        yield _load(f"{package}.{name}")


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PluginBroken(f"Plug-in module {name} failed to load: {error}") from error


def _entry_points(group: str) -> Iterator[object]:
    for point in _points(group):
        try:
            yield point.load()
        except (ImportError, AttributeError) as error:
            raise PluginBroken(
                f"Entry point {point.name!r} of group {group} failed to load: {error}"
            ) from error


@cache  # to look through what is installed takes longer than to read fifty spans
def _points(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda p: p.name)
