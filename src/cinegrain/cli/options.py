"""What all commands share: flags made from the settings, and how errors become exit codes."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cinegrain.cli.console import Interrupt, err
from cinegrain.config import SettingInfo, all_settings
from cinegrain.errors import CinegrainError, ConfigError
from cinegrain.extras import require

DONE, FAILED, BAD_USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

FILMS_HELP = "Videos, folders of videos, or addresses such as s3://bucket/folder or https://host/film.mp4."
RunArgument = Annotated[Path, typer.Argument(help="The run folder.", show_default=False)]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings as TOML; see `cinegrain settings`.", show_default=False)
]
TopK = Annotated[int, typer.Option("--top", min=1, max=1000, help="How many neighbours.")]

Command = TypeVar("Command", bound=Callable[..., Any])


def guarded(command: Command) -> Command:
    """Turns our errors into one clear line and an exit code; Ctrl-C into a promise that is kept."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        Interrupt.listen()
        try:
            return command(*args, **kwargs)
        except (KeyboardInterrupt, Exception) as error:
            if Interrupt.heard or isinstance(error, KeyboardInterrupt):  # a library may have made an error of Ctrl-C
                err.print("Stopped. Nothing finished is lost; the same command goes on from here.", highlight=False)
                raise typer.Exit(INTERRUPTED) from None
            if not isinstance(error, CinegrainError):
                raise
            err.print(f"[bold red]Error:[/] {_escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(BAD_USAGE if isinstance(error, ConfigError) else FAILED) from None

    return wrapper  # type: ignore[return-value]


def needs(*extras: str) -> Callable[[Command], Command]:
    """Refuses a command whose extras are not installed, before any work begins; under `guarded`."""

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
    """Adds a flag for every setting of the given sections and passes those that were used as `flags`.

    Args:
        sections: Names such as `train`; `seed` for the seed. The command must take `flags: dict[str, Any]`.
    """

    def decorate(command: Command) -> Command:
        chosen = [info for info in all_settings() if info.key.partition(".")[0] in sections]
        names = {info.key.replace(".", "__"): info.key for info in chosen}

        @functools.wraps(command)
        def wrapper(**kwargs: Any) -> Any:
            given = {key: kwargs.pop(name) for name, key in names.items()}
            return command(**kwargs, flags={key: value for key, value in given.items() if value is not None})

        own = [p for name, p in inspect.signature(command).parameters.items() if name != "flags"]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        extra = [_parameter(name, info) for name, info in zip(names, chosen, strict=True)]
        wrapper.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in [*own, *extra]}
        return wrapper  # type: ignore[return-value]

    return decorate


def _parameter(name: str, info: SettingInfo) -> inspect.Parameter:
    section = info.key.partition(".")[0] if "." in info.key else "general"
    kind = info.kind if isinstance(info.kind, type) else str  # a number or `auto`; the settings check it
    option = typer.Option(
        f"--{info.key}",
        help=info.help if info.default == "" else rf"{info.help} \[default: {info.default}]",
        rich_help_panel=f"Settings: {section}",
        show_default=False,
        metavar=None if kind is info.kind else "NUMBER|auto",
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
