"""How the explorer bears its visitors: readers and editors at once, the first screen, and very large maps.

    python benchmarks/explorer.py RUN --readers 50 --editors 2 --seconds 60 --json
    python benchmarks/explorer.py RUN --films 1000000        # the run's films over and over, until there are so many

A copy of the run is served by the real command; readers ask for what the pages ask for, with half a second to a second
and a half between two questions, editors rename sub-genres and try again when another was faster. At the end the log
must hold every edit that was accepted. With Chromium on the machine the time from an empty browser to the drawn map is
taken as well, the median of five.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from safetensors.numpy import load_file, save_file

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WORDS_KEPT, AGAIN = 2, " again "


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run; it is copied, not changed")
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--editors", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--films", type=int, default=0, help="repeat the run's films until there are so many")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    ask = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = copied(ask.run, Path(place) / "run")
        if ask.films:
            inflate(run, ask.films)
        line = [sys.executable, "-m", "cinegrain", "serve", str(run), "--port", "0"]
        begun = time.perf_counter()
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            base = server.stdout.readline().removeprefix("Explorer: ").strip().rstrip("/")
            figures: dict[str, Any] = {"start_s": time.perf_counter() - begun}
            try:
                figures |= asyncio.run(load(base, ask.readers, ask.editors, ask.seconds))
                figures["memory_mb"] = peak_mb(server.pid)
                figures |= first_screens(base)
            finally:
                server.terminate()
    for name, value in figures.items():
        print(f"{name:24} {value if not isinstance(value, float) else round(value, 3)}")
    if ask.json:
        print(json.dumps(figures))


def copied(run: Path, to: Path) -> Path:
    """What the explorer reads of a run."""
    return Path(shutil.copytree(run, to, ignore=shutil.ignore_patterns("simulation", "pooled", "report.html")))


def inflate(run: Path, n_films: int) -> None:
    """Repeats the films, each moved a little, with fewer words, genres and memberships: what is measured is number."""
    rows = json.loads((run / "trailers.json").read_text())
    atlas = json.loads((run / "atlas.json").read_text())
    arrays = load_file(run / "embeddings.safetensors")
    rng, n = np.random.default_rng(0), len(rows)
    members: dict[str, list[str]] = {card["id"]: [] for card in atlas["subgenres"]}
    with (run / "trailers.json").open("w") as file:
        for i in range(n_films):
            row = dict(rows[i % n])
            row["trailer_id"] = f"{row['trailer_id']}{AGAIN}{i // n}" if i >= n else row["trailer_id"]
            row["map"] = [round(x + float(rng.normal(0, 0.5)), 4) for x in row["map"]]
            row["map_before"] = row["map"]
            row["concepts"] = {mode: words[:WORDS_KEPT] for mode, words in row["concepts"].items()}
            row["predicted"] = row["predicted"][:1]
            row["memberships"] = [one for one in row["memberships"] if one["id"] == row["subgenre"]["id"]]
            members[row["subgenre"]["id"]].append(row["trailer_id"])
            file.write(("[" if i == 0 else ",\n") + json.dumps(row))
        file.write("]")
    for card in atlas["subgenres"]:
        card["members"], card["size"] = members[card["id"]], len(members[card["id"]])
    (run / "atlas.json").write_text(json.dumps(atlas))
    arrays = {k: np.resize(v, (n_films, *v.shape[1:])) if len(v) == n else v for k, v in arrays.items()}
    save_file(arrays, run / "embeddings.safetensors")


async def load(base: str, n_readers: int, n_editors: int, seconds: float) -> dict[str, Any]:
    """Many visitors at once."""
    taken: dict[str, list[float]] = {}
    errors: Counter[str] = Counter()
    edits: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=n_readers + n_editors)
    async with httpx.AsyncClient(base_url=f"{base}/api/v1", timeout=60, limits=limits) as client:
        run = (await client.get("/run")).json()
        points = (await client.get("/points", params={"limit": 500})).json()
        # Repeated films are not in the dataset, and simulated ones have no pictures.
        own = [id_ for id_ in (await client.get("/points")).json()["id"] if AGAIN not in id_]
        some = random.Random(0).sample(own, min(60, len(own)))
        for key, path in (("looked_at", "/film/timeline"), ("pictured", "/film/thumb")):
            there = [(await client.get(path, params={"id": id_})).status_code == 200 for id_ in some]
            points[key] = [id_ for id_, here in zip(some, there, strict=True) if here]
        first = time.perf_counter()
        await client.get("/points")
        first_points = time.perf_counter() - first
        until = time.monotonic() + seconds

        async def reader(number: int) -> None:
            rng = random.Random(number)
            await asyncio.sleep(rng.random())
            while time.monotonic() < until:
                name, path, params = question(rng, run, points)
                begun = time.perf_counter()
                answer = await client.get(path, params=params)
                taken.setdefault(name, []).append(time.perf_counter() - begun)
                if answer.status_code >= 400:
                    errors[f"{name} {answer.status_code}"] += 1
                await asyncio.sleep(0.5 + rng.random())

        async def editor(number: int) -> None:
            rng, version = random.Random(1000 + number), run["version"]
            while time.monotonic() < until:
                await asyncio.sleep(1 + rng.random())
                card = rng.choice(run["subgenres"])
                wish = {"do": "rename", "subgenre": card["id"], "name": f"Name {number} {rng.random():.9f}"}
                said = await client.post("/edits", json={"version": version, "by": f"editor {number}", "edit": wish})
                edits[{200: "accepted", 409: "conflicts"}.get(said.status_code, f"failed {said.status_code}")] += 1
                known = said if said.status_code == 200 else await client.get("/run")
                version = known.json()["version"]

        await asyncio.gather(*map(reader, range(n_readers)), *map(editor, range(n_editors)))
        kept = len((await client.get("/history")).json())
    every = np.array([one for some in taken.values() for one in some]) * 1000
    assert kept == edits["accepted"], f"{edits['accepted']} edits were accepted, {kept} are in the log"
    return {
        "n_films": run["n_films"],
        "n_reads": len(every),
        "errors": dict(errors),
        "edits": dict(edits),
        "median_ms": float(np.median(every)),
        "p95_ms": float(np.quantile(every, 0.95)),
        "p99_ms": float(np.quantile(every, 0.99)),
        "median_ms_by_question": {
            name: round(float(np.median(some)) * 1000, 1) for name, some in sorted(taken.items())
        },
        "first_points_ms": first_points * 1000,
    }


def question(rng: random.Random, run: Any, points: Any) -> tuple[str, str, dict[str, Any]]:
    """What a visitor asks for next."""
    film, other = rng.choice(points["id"]), rng.choice(points["id"])
    genre = rng.choice(run["genres"])["name"]
    subgenre, second = (rng.choice(run["subgenres"])["id"] for _ in range(2))
    year = rng.choice([one for one in points["year"] if one] or [2000])
    questions = [
        ("run", "/run", {}),
        ("points", "/points", {}),
        ("points by genre", "/points", {"genre": genre}),
        ("points by year", "/points", {"year_from": year, "sure": 0.5}),
        ("points by text", "/points", {"text": rng.choice("aeiou") + rng.choice("nrst")}),
        ("film", "/film", {"id": film}),
        *(("timeline", "/film/timeline", {"id": rng.choice(some)}) for some in [points["looked_at"]] if some),
        *(("picture", "/film/thumb", {"id": rng.choice(some)}) for some in [points["pictured"]] if some),
        ("similar", "/film/similar", {"id": film}),
        ("pair", "/pair", {"a": film, "b": other}),
        ("sub-genre", "/subgenre", {"id": subgenre}),
        ("genre", "/genre", {"name": genre}),
        ("compare", "/compare", {"kind": "subgenre", "a": subgenre, "b": second}),
        ("history", "/history", {}),
    ]
    return rng.choice(questions)


def peak_mb(pid: int) -> float:
    """The most memory that a process has had (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1000


def first_screens(base: str) -> dict[str, Any]:
    """Milliseconds from an empty browser to the drawn map, and how much it was sent."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return {"first_screen_ms": None}
    from playwright.sync_api import sync_playwright

    times, sizes = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(5):
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            begun = time.perf_counter()
            page.goto(base)
            page.locator("[data-drawn]").wait_for(timeout=120_000)
            times.append((time.perf_counter() - begun) * 1000)
            script = "() => performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)"
            sizes.append(page.evaluate(script))
            page.context.close()
        browser.close()
    return {"first_screen_ms": float(np.median(times)), "first_screen_kb": float(np.median(sizes)) / 1000}


if __name__ == "__main__":
    main()
