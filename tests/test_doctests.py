"""The examples in docstrings hold."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import cinegrain

SOURCE = Path(cinegrain.__file__).parent
MODULES = [
    "cinegrain." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = import_module(name)
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
