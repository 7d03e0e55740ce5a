"""The page of all verbs: `python -m waypost.cli.reference > docs/reference/cli.md`."""

from collections.abc import Iterator

import click

from waypost.cli import waypost

_HEAD = """\
# The command line

`waypost` exits 0 on success, 1 when its answer is no (a doctor that finds something, a channel
that does not take a test message, a gate that is not a yes, a case that could not be run, a line
that was refused) or it could not be given, 2 on wrong use, and 130 after Ctrl-C. Every error is one
sentence. Options stand in for the [settings](settings.md) of the same name.
"""


def page() -> str:
    """The reference in Markdown, from the verbs themselves."""
    return "\n".join([_HEAD, *_verbs(waypost, "waypost")])


def _verbs(group: click.Group, path: str) -> Iterator[str]:
    for name, verb in sorted(group.commands.items()):
        if isinstance(verb, click.Group):
            yield from _verbs(verb, f"{path} {name}")
        else:
            yield from _verb(verb, f"{path} {name}")


def _verb(verb: click.Command, path: str) -> Iterator[str]:
    arguments = [p.make_metavar(_NONE) for p in verb.params if isinstance(p, click.Argument)]
    yield f"## `{' '.join([path, *arguments])}`\n"
    yield " ".join((verb.help or "").split()) + "\n"
    yield "| option | |\n|---|---|"
    for option in verb.params:
        if isinstance(option, click.Option):
            yield f"| `{'`, `'.join(option.opts)}` | {_said(option)} |"
    yield ""


_NONE = click.Context(waypost)


def _said(option: click.Option) -> str:
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    shown = f" Default `{option.default}`." if option.show_default else ""
    among = f" One of {', '.join(map(str, choices))}." if choices else ""
    needed = " Required." if option.required else ""
    return f"{option.help or ''}{among}{shown}{needed}".strip()


if __name__ == "__main__":
    click.echo(page(), nl=False)
