"""Shared by all commands: settings as flags, old names, errors and exit codes."""

import functools
import inspect
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape
from typer.core import TyperCommand

from cinegrain.cli.console import Interrupt, be_quiet, err
from cinegrain.config import all_settings
from cinegrain.errors import CinegrainError, ConfigError
from cinegrain.extras import require

FAILED, BAD_USAGE, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130

FILMS_HELP = "Video files, folders of videos, or URLs such as s3://bucket/folder or https://host/film.mp4."
RunArgument = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", show_default=False)]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, max=1000, help="Number of films to show.")]

_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting: --train.epochs 50 or --set train.epochs=50; `cinegrain settings` lists them.",
        show_default=False,
    ),
]
Command = TypeVar("Command", bound=Callable[..., Any])
log = logging.getLogger(__name__)
_SETTING = re.compile(r"--(seed|[a-z]+\.[a-z_]+)(?:=(.*))?", re.DOTALL)
_OLD_FLAGS = {"--top": "--top-k"}
_QUIET = ("--quiet", "-q")


def renamed(old: str, new: str) -> None:
    """Logs the new name of something whose old name is accepted for one version."""
    log.warning("%s is now %s.", old, new)


class CurrentCommand(TyperCommand):
    """Accepts --quiet anywhere, old names of flags, and any setting with `with_settings`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts settings into `ctx.obj`; arguments after `--` are unchanged."""
        ctx.obj = {}
        end = args.index("--") if "--" in args else len(args)
        mine, kept = iter(args[:end]), []
        for one in mine:
            name, equals, value = one.partition("=")
            found = _SETTING.fullmatch(one) if hasattr(self.callback, "sections") else None
            if found:
                ctx.obj[found[1]] = next(mine, "") if found[2] is None else found[2]
            elif one in _QUIET:
                be_quiet()
            elif name in _OLD_FLAGS:
                renamed(name, _OLD_FLAGS[name])
                kept.append(_OLD_FLAGS[name] + equals + value)
            else:
                kept.append(one)
        return super().parse_args(ctx, kept + args[end:])


def guarded(command: Command) -> Command:
    """Turns Cinegrain's errors and Ctrl-C into a message and an exit code."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        Interrupt.listen()
        try:
            return command(*args, **kwargs)
        except (KeyboardInterrupt, Exception) as error:
            if Interrupt.heard or isinstance(
                error, KeyboardInterrupt
            ):  # a library may have turned Ctrl-C into an error
                err.print("Stopped. Nothing finished is lost; run the same command again to continue.", highlight=False)
                raise typer.Exit(INTERRUPTED) from None
            if not isinstance(error, CinegrainError):
                raise
            err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(BAD_USAGE if isinstance(error, ConfigError) else FAILED) from None

    return wrapper  # type: ignore[return-value]


def needs(*extras: str) -> Callable[[Command], Command]:
    """Raises if an extra of the command is not installed; use under `guarded`."""

    def decorate(command: Command) -> Command:
        group = "atlas " if command.__module__ == "cinegrain.cli.atlas" else ""
        name = f"`cinegrain {group}{command.__name__.strip('_')}`"

        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            require(name, *extras)
            return command(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def with_settings(*sections: str) -> Callable[[Command], Command]:
    """Passes the settings given on the command line as `flags`, by dotted key.

    Args:
        sections: Sections that the command depends on, such as `train`; `seed` for the seed.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(ctx: typer.Context, set_: list[str] | None, **kwargs: Any) -> Any:
            flags = {**pairs(set_ or [], "--set"), **ctx.obj}
            known = {info.key.partition(".")[0] for info in all_settings()}
            for key in flags:
                if (section := key.partition(".")[0]) in known.difference(sections):
                    raise ConfigError(f"This command takes no {section} settings, such as {key}.")
            return command(**kwargs, flags=flags)

        keyword = inspect.Parameter.KEYWORD_ONLY
        own = [p.replace(kind=keyword) for p in inspect.signature(command).parameters.values() if p.name != "flags"]
        own.append(inspect.Parameter("set_", keyword, default=None, annotation=_Set))
        own.append(inspect.Parameter("ctx", keyword, annotation=typer.Context))
        wrapper.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in own}
        wrapper.sections = sections  # type: ignore[attr-defined]
        return wrapper  # type: ignore[return-value]

    return decorate


def pairs(given: Sequence[str], flag: str) -> dict[str, str]:
    """`name=value` options as a dict.

    Raises:
        ConfigError: If one has no `=`.
    """
    for text in given:
        if not all(text.partition("=")):
            raise ConfigError(f"{flag} takes name=value, not {text!r}.")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}
