"""A tour of the Python API on a finished run: python examples/tour.py [RUN]

RUN is the demo unless named (`make demo`). The run is only read: whatever writes works on a copy.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import cinegrain as cg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")


def title(text: str) -> None:
    print(f"\n== {text}")


def show(result: cg.Prediction | cg.Failure) -> None:
    if isinstance(result, cg.Failure):
        print(f"no result: {result.reason}")
        return
    print(f"{result.title}: {', '.join(genre.name for genre in result.decided) or 'no genre for sure'}")
    for reason in (*result.reasons, *result.unsure_because):
        print(f"  {reason}")
    if result.sub_genre is not None:
        print(f"  {result.sub_genre.id} {result.sub_genre.name}, distance {result.sub_genre.distance:.2f}")


title("Open a run")
run = cg.open(folder)
print(run)

title("Its films, as an Arrow table")
films = run.films
print(f"{films.num_rows} films; columns {', '.join(films.column_names)}")
first = films.to_pylist()[0]
print(f"{first['title']!r}: catalogue {first['genres']}, predicted {first['predicted']}, {first['sub_genre']!r}")

title("Its sub-genres")
for sub_genre in run.sub_genres[:5]:
    print(f"{sub_genre.id}  {sub_genre.size:3d} films  {sub_genre.name}  ({', '.join(sub_genre.terms[:4])})")

title("Its vectors")
dataset = cg.open_dataset(folder)
for expert, card in dataset.experts.items():
    print(f"{expert}: {card.modality}, vectors of all scenes {dataset.vectors(expert).vectors.shape}")
paths = [Path(row["path"]) for row in dataset.films.to_pylist()[:2]]

title("Films that are alike, and films that sound like one and look like another")
other = films.to_pylist()[1]["title"]
for match in run.similar(first["title"], top_k=3):
    print(f"{match.score:.2f}  {match.title}")
for match in run.search(sounds_like=first["title"], looks_like=other, words="music", top_k=3):
    print(f"{match.score:.2f}  {match.title}")

title("A film by a misspelt title")
try:
    run.predict(first["title"][:-1])
except cg.CinegrainError as error:
    print(error)

title("What a film is, and why")
show(run.predict(first["title"]))

with tempfile.TemporaryDirectory() as place:
    work = Path(place)
    if not all(path.is_file() for path in paths):
        print("\nThe run's videos are not on this machine: what looks at them is left out.")
    else:
        title("Files, one of them broken: a failure is a result")
        broken = work / "broken.mp4"
        broken.write_bytes(paths[0].read_bytes()[:1000])
        for result in run.predict([paths[0], broken], progress=False):
            show(result)

        title("Vectors of a file, without a run")
        film = cg.embed(paths[0], experts="motion_flow", progress=False)
        print(f"{film.path}: {len(film.start_s)} scenes, the first ends at {film.end_s[0]:.2f} s")
        vectors = film.vectors["motion_flow"]
        print(f"motion_flow {vectors.shape}, length of their mean {np.linalg.norm(film.mean('motion_flow')):.2f}")

        title("A model without PyTorch")
        run.export(work / "model")
        show(cg.load_model(work / "model").predict(paths[0], progress=False))

    title("An edit, in a copy of the run")
    copy = shutil.copytree(folder, work / "run", ignore=shutil.ignore_patterns("corpus"))
    mine = cg.open(copy)
    entry = mine.atlas["S01"].rename("My sub-genre", by="anna", why="a tour")
    print(f"{entry.id}: {entry.by} {entry.said}")
    mine.atlas.undo()
    print(f"undone; version {mine.atlas.version}: {mine.atlas['S01']}")

    videos = paths[0].parent
    if (videos.parent / "catalog.csv").is_file():
        title("fit: the same call again finds the run finished")
        again = cg.fit(
            videos, catalog=videos.parent / "catalog.csv", out=copy, config=copy / "settings.toml", progress=False
        )
        print(again)

    title("The explorer, beside us")
    with mine.serve() as server:
        print(f"{server.url} answers until stop()")
