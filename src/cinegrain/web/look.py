"""A process that looks at one film for the explorer: `python -m cinegrain.web.look predict|assign RUN FILE`.

Says what it does in lines of JSON: any number of `{"stage": ...}`, then `{"answer": ...}` or `{"reason": ...}`.
"""

import json
import os
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from cinegrain.errors import CinegrainError, MediaError
from cinegrain.pipeline.extraction.embed import EmbeddedTrailer
from cinegrain.pipeline.extraction.jobs import bound_memory
from cinegrain.pipeline.extraction.workers import die_with_parent
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.progress import Silent
from cinegrain.types import JsonObject

_WORDS_A_SCENE = 3
_N_NEAR = 8


def main() -> None:
    """Looks at the film and says what it is."""
    command, folder, file, parent = sys.argv[1:]
    die_with_parent(int(parent))
    bound_memory()
    os.nice(5)  # whoever looks at the map goes first
    try:
        run = Run.open(Path(folder))
        _say(answer=_predict(run, Path(file)) if command == "predict" else _assign(run, Path(file)))
    except MemoryError:
        _say(reason="There is not enough memory to read it.")
    except CinegrainError as error:
        _say(reason=str(error))


def _predict(run: Run, file: Path) -> JsonObject:
    from cinegrain.pipeline.answers.answer import Answers

    _say(stage="loading the models")
    answers = Answers(run)
    _say(stage="looking and listening")
    found = answers.look(file, file.name)
    _say(stage="answering")
    answer = answers.predict(answers.as_film(found), top_k=_N_NEAR)
    return {**answer, "path": file.name, "timeline": _timeline(found, answers.coarse.spec.modalities)}


def _assign(run: Run, file: Path) -> JsonObject:
    from cinegrain.pipeline.answers.assign import assign

    _say(stage="joining the atlas")
    done = assign(run, [file], Silent())
    if done.failed:
        raise MediaError(done.failed[0].reason)
    return {"trailer_id": [*(row["trailer_id"] for row in done.rows), *(id_ for _, id_ in done.there)][0]}


def _timeline(found: EmbeddedTrailer, mode_of: Mapping[str, str]) -> list[JsonObject]:
    scenes = []
    for i, scene in enumerate(found.scenes):
        words: dict[str, list[JsonObject]] = {}
        for expert, column in found.embeddings.items():
            seen = column[i]
            some = seen.concepts[:_WORDS_A_SCENE] if seen is not None else ()
            if some:
                words.setdefault(mode_of[expert], []).extend({"name": c.name, "score": round(c.score, 4)} for c in some)
        picture = f"data:image/jpeg;base64,{b64encode(scene.thumbnail).decode()}" if scene.thumbnail else None
        times = {"scene": scene.scene, "start_s": scene.start_s, "end_s": scene.end_s}
        scenes.append({**times, "picture": picture, "words": words})
    return scenes


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
