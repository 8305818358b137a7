"""File names of the package say what is inside."""

from collections import Counter
from pathlib import Path

import cinegrain


def test_no_file_name_occurs_more_than_twice() -> None:
    paths = Path(cinegrain.__file__).parent.rglob("*.py")
    names = Counter(path.name for path in paths if path.name != "__init__.py")
    assert [name for name, n in names.items() if n > 2] == []
