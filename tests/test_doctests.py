"""The examples in docstrings hold."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import cinegrain

SOURCE = Path(cinegrain.__file__).parent
MODULES = [
    "cinegrain." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
EXTRA = {"atlas": pytest.mark.train, "report": pytest.mark.report}  # what the modules of a room import
NEEDS = {"cinegrain.pipeline.import_vectors": pytest.mark.train}


def _param(name: str) -> ParameterSet:
    mark = NEEDS.get(name) or EXTRA.get(name.split(".")[1])
    return pytest.param(name, marks=[mark] if mark else [])


@pytest.mark.parametrize("name", map(_param, MODULES))
def test_examples_in_docstrings(name: str) -> None:
    module = import_module(name)
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
