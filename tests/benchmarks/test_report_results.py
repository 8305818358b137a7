"""The pages of docs/results are those that the figures give."""

import pytest

from report_results import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_committed_pages_are_generated(name: str) -> None:
    assert (ROOT / "docs" / "results" / name).read_text(encoding="utf-8") == PAGES[name]()
