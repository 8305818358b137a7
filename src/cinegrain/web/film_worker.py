"""A process that predicts uploaded films for the explorer: `python -m cinegrain.web.film_worker RUN PARENT`.

It reads lines of `{"command": "predict" or "assign", "file": ...}` and writes lines of JSON: any number of
`{"stage": ...}`, then `{"answer": ...}` or `{"reason": ...}`. It and its worker run until its input ends.
"""

import json
import os
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cinegrain.config import load_settings
from cinegrain.errors import CinegrainError, MediaError
from cinegrain.pipeline.answers.film_workers import film_workers, model_experts, setup_for
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import WorkerSetup, bound_memory
from cinegrain.pipeline.extraction.workers import WorkerPool, die_with_parent
from cinegrain.results import scene_words, to_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.web.replies import SceneView, UploadAnswer

_WORDS_A_SCENE = 3
_N_NEAR = 8


def main() -> None:
    """Answers until its input ends."""
    folder, parent = sys.argv[1:]
    die_with_parent(int(parent))
    bound_memory()
    os.nice(5)  # lower priority than the server
    films = _Films()
    try:
        for line in sys.stdin:
            ask = json.loads(line)
            try:
                run = Run.open(Path(folder))
                file = Path(ask["file"])
                _say(answer=_predict(run, file, films) if ask["command"] == "predict" else _assign(run, file))
            except MemoryError:
                _say(reason="There is not enough memory to read it.")
            except CinegrainError as error:
                _say(reason=str(error))
    finally:
        films.close()


class _Films:
    """The worker that reads films, kept until the settings of the run change."""

    def __init__(self) -> None:
        self._setup: WorkerSetup | None = None
        self._workers: WorkerPool[EmbeddedTrailer] | None = None

    def begin(self, run: Run) -> None:
        """Starts the worker for the current state of a run, without waiting."""
        settings = load_settings(run.settings)
        setup = setup_for(settings, model_experts(run), 1)
        if setup != self._setup:
            self.close()
            self._workers = film_workers(run, 1, settings=settings)
            self._workers.start(1)
            self._setup = setup

    def read(self, file: Path) -> EmbeddedTrailer:
        """Embeds a film.

        Raises:
            MediaError: If it cannot be read.
        """
        assert self._workers is not None
        return self._workers.one(Job(file.name, file))

    def close(self) -> None:
        """Stops the worker."""
        if self._workers is not None:
            self._workers.close()
        self._workers = self._setup = None


def _predict(run: Run, file: Path, films: _Films) -> UploadAnswer:
    films.begin(run)
    _say(stage="loading the models")
    from cinegrain.pipeline.answers.answer import Answers

    answers = Answers(run)
    _say(stage="looking and listening")
    found = films.read(file)
    _say(stage="answering")
    answer = replace(answers.predict(answers.as_film(found), top_k=_N_NEAR), path=file.name)
    return UploadAnswer(**vars(answer), timeline=_timeline(found, answers.coarse.spec.modalities))


def _assign(run: Run, file: Path) -> dict[str, str]:
    from cinegrain.pipeline.answers.assign import assign

    _say(stage="joining the atlas")
    done = assign(run, [file], Silent())
    if done.failed:
        raise MediaError(done.failed[0].reason)
    return {"trailer_id": [*(row.trailer_id for row in done.rows), *(id_ for _, id_ in done.there)][0]}


def _timeline(found: EmbeddedTrailer, mode_of: Mapping[str, str]) -> tuple[SceneView, ...]:
    scenes = []
    for i, scene in enumerate(found.scenes):
        column = {expert: embeddings[i] for expert, embeddings in found.embeddings.items()}
        seen = [(mode_of[expert], one.concepts) for expert, one in column.items() if one is not None]
        picture = f"data:image/jpeg;base64,{b64encode(scene.thumbnail).decode()}" if scene.thumbnail else None
        words = scene_words(seen, top_k=_WORDS_A_SCENE)
        scenes.append(SceneView(scene.scene, scene.start_s, scene.end_s, picture, words))
    return tuple(scenes)


def _say(**what: object) -> None:
    print(json.dumps(what, default=to_json), flush=True)


if __name__ == "__main__":
    main()
