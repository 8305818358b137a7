"""`cinegrain doctor`."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain import __version__
from cinegrain.cli.console import out, print_json
from cinegrain.cli.options import FAILED, JsonFlag, guarded

_PACKAGES = ("av", "numpy", "onnx", "onnxruntime", "opencv-python-headless", "pyarrow", "pylance")
_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg2video", "mpeg4", "aac", "mp3", "opus", "vorbis")
_MIN_FREE_GB = 2.0


@guarded
def doctor(as_json: JsonFlag = False) -> None:
    """Check that this machine has what a run needs."""
    checks = [*_machine(), *_packages(), *_extras(), *_codecs(), *_weights(), *_plugins()]
    if as_json:
        print_json([{"check": name, "ok": ok, "found": found} for name, ok, found in checks])
    else:
        table = Table(box=None, padding=(0, 2))
        for name, ok, found in checks:
            table.add_row("[green]ok[/]" if ok else "[bold red]no[/]", name, escape(found))
        out.print(table)
    if not all(ok for _, ok, _ in checks):
        raise typer.Exit(FAILED)


Check = tuple[str, bool, str]


def _machine() -> list[Check]:
    from cinegrain.urls import cache_folder

    cache = cache_folder()
    nearest = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free_gb = shutil.disk_usage(nearest).free / 1e9
    return [
        ("cinegrain", True, __version__),
        ("python", (3, 11) <= sys.version_info[:2] < (3, 14), platform.python_version()),
        ("processor cores", True, str(os.cpu_count())),
        ("cache folder", os.access(nearest, os.W_OK) and free_gb > _MIN_FREE_GB, f"{cache}, {free_gb:.0f} GB free"),
    ]


def _packages() -> list[Check]:
    checks = []
    for name in _PACKAGES:
        try:
            checks.append((name, True, version(name)))
        except PackageNotFoundError:
            checks.append((name, False, f"not installed: pip install {name}"))
    return checks


def _extras() -> list[Check]:
    from cinegrain.extras import EXTRAS, missing_package

    return [
        (
            f"extra {extra}",
            True,
            f"without {missing}: pip install 'cinegrain[{extra}]'"
            if (missing := missing_package(extra))
            else ", ".join(packages.values()),
        )
        for extra, packages in EXTRAS.items()
    ]


def _codecs() -> list[Check]:
    from av.codec import codecs_available

    return [
        ("decoder", name in codecs_available, name if name in codecs_available else f"{name} is not in PyAV")
        for name in _CODECS
    ]


def _weights() -> list[Check]:
    from cinegrain.experts.registry import PRESETS, expert_cards
    from cinegrain.experts.weights import is_cached
    from cinegrain.urls import cache_folder

    cards, cache = expert_cards(), cache_folder()
    return [
        (
            f"weights of {name}",
            True,
            "installed"
            if all(is_cached(f, cache) for f in cards[name].weights)
            else "not installed; downloaded by the first run or `cinegrain experts install`",
        )
        for name in PRESETS["light"]
    ]


def _plugins() -> list[Check]:
    from cinegrain.experts.registry import broken_plugins

    return [
        (f"plug-in {plugin.name}", False, f"package {plugin.package} is broken: {plugin.fault}")
        for plugin in broken_plugins()
    ]
