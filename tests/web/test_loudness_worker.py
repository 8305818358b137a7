"""How loud films are, by a worker that a film may kill."""

from pathlib import Path

import pytest
from tests.media.conftest import flat, tone, write_film

from cinegrain.errors import MediaError
from cinegrain.media.loudness import loudness
from cinegrain.web.loudness_worker import STEP_S, LoudnessWorker


def test_the_levels_that_media_gives_whatever_becomes_of_the_worker(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_film(film, [flat(100)] * 50, sound=tone(440, 2.0))
    expected = loudness(film, duration_s=2.0, step_s=STEP_S, limit_s=60)
    assert len([level for level in expected if level is not None]) == 4
    ear = LoudnessWorker()
    try:
        assert ear.loudness(film, 2.0) == expected
        (worker,) = ear._workers._workers
        worker.process.kill()
        worker.process.join()
        assert ear.loudness(film, 2.0) == expected
        with pytest.raises(MediaError, match="There is no file"):
            ear.loudness(tmp_path / "gone.mp4", 2.0)
    finally:
        ear.close()
    assert not ear._workers._workers
