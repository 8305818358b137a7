"""Rules about the package's rooms that import-linter cannot state."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import cinegrain

SOURCE = Path(cinegrain.__file__).parent
EDGES = {
    "cinegrain.config.load_settings": "flags of the command line, still to be checked",
    "cinegrain.config.to_plain": "makes JSON",
    "cinegrain.config.keyed": "makes JSON to be hashed",
    "cinegrain.settings.current_section": "settings as files of any version have them",
    "cinegrain.runs.artifacts.read_json": "reads JSON",
    "cinegrain.runs.artifacts.write_csv": "rows of any columns",
    "cinegrain.pipeline.learning.evaluate.evaluate": "gives what evaluation.json holds",
    "cinegrain.pipeline.learning.ablate.ablate": "gives what ablation.json holds",
}
"""Functions that may take or give untyped objects, though other rooms call them, and why."""


def room(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else ""


def is_untyped(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    said = [a.annotation for a in every if a is not None and a.annotation is not None]
    text = " ".join(map(ast.unparse, [*said, *([function.returns] if function.returns else [])]))
    return "JsonObject" in text or "str, Any]" in text


def untyped_functions(path: Path) -> Iterator[tuple[str, str]]:
    """Name of what a room would import, and of the function."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inner:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and is_untyped(function):
                yield (node.name if isinstance(node, ast.ClassDef) else function.name), function.name


def test_no_file_name_occurs_more_than_twice() -> None:
    names = Counter(path.name for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, n in names.items() if n > 2] == []


def test_what_passes_between_rooms_has_a_type() -> None:
    importers = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    importers[f"{node.module}.{alias.name}"].add(room(path))
    crossing = set()
    for path in SOURCE.rglob("*.py"):
        module = "cinegrain." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for owner, name in untyped_functions(path):
            is_json = name in ("to_dict", "to_json") or name.startswith("_")
            if not is_json and importers[f"{module}.{owner}"] - {room(path)}:
                crossing.add(f"{module}.{owner}" if owner == name else f"{module}.{owner}.{name}")
    assert crossing - set(EDGES) == set()
    assert set(EDGES) - crossing == set(), "no longer needed"


def test_no_test_patches_a_private_constant() -> None:
    for path in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
                names = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
                private = [name for name in map(str, names) if re.search(r"(^|\.)_[A-Z]", name)]
                assert private == [], f"{path.name}, line {node.lineno}"
