"""All variants on disk, once a session."""

from pathlib import Path

import pytest
from tests.robust.variants import all_variants


@pytest.fixture(scope="session")
def variant_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds every variant under its name."""
    folder = tmp_path_factory.mktemp("variants")
    for variant in all_variants():
        variant.write(folder)
    return folder
