"""CPU seconds that one minute of film costs in the light preset, by part, beside the floor of bare decoding.

    python benchmarks/extraction.py [FILM ...] [--json] [--repeat 3]

Without films it makes one minute of 1280x720 H.264 at 24 frames a second from rendered scenes with fine film grain.
Everything runs in one process on one thread; the figures are process time (user and system), the least of the
repeats. "floor" is decoding every frame and every sound packet and doing nothing with them.
"""

import argparse
import importlib.metadata
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from cinegrain.demo.plan import CorpusSettings, plan_corpus
from cinegrain.demo.render import render_film
from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS, expert_cards, load_networks
from cinegrain.experts.weights import cache_folder
from cinegrain.media.reader import TrailerReader
from cinegrain.media.settings import MediaSettings
from cinegrain.pipeline.embed import embed_trailer
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Scene

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 24, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("films", nargs="*", type=Path, help="your own films; else one is made")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--repeat", type=int, default=3, help="repeats; the least counts")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    networks = load_networks(PRESETS["light"], cache_folder(), threads=1)
    with tempfile.TemporaryDirectory() as scratch:
        films = args.films or [make_film(Path(scratch))]
        rows = [measure(film, networks, args.repeat, Path(scratch)) for film in films]
    result = {"machine": machine(), "preset": "light", "films": rows}
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        for row in rows:
            show(row)


def machine() -> dict[str, Any]:
    packages = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pylance")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"processor": processor(), "python": platform.python_version(), "versions": versions}


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def least(work: Callable[[], object], repeat: int) -> float:
    """Least process time of several runs, seconds."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def measure(film: Path, networks: list[Network], repeat: int, scratch: Path) -> dict[str, Any]:
    settings = MediaSettings()
    with TrailerReader(film, settings) as reader:
        scenes: list[Scene] = list(reader.scenes())
        facts = reader.facts()
    minutes = facts.decoded_duration_s / 60
    parts = {"floor": least(lambda: bare_decode(film), repeat), "media": least(lambda: read(film, settings), repeat)}
    for network in networks:
        name = " + ".join(expert for expert in network.embed(scenes[:1]))
        parts[name] = least(lambda n=network: embed(n, scenes), repeat)  # type: ignore[misc]
    embedded = embed_trailer("film", film, networks, PRESETS["light"], settings)
    cards = [expert_cards()[name].as_json() for name in PRESETS["light"]]
    writer = DatasetWriter(scratch / f"ds-{film.name}", cards=cards, settings={})
    numbers = iter(range(10**6))

    def store() -> None:
        record = replace(embedded.record, trailer_id=f"film {next(numbers)}")
        writer.append(record, embedded.scenes, embedded.embeddings)

    parts["store"] = least(store, repeat)
    parts["whole"] = least(lambda: embed_trailer("film", film, networks, PRESETS["light"], settings), repeat)
    return {
        "film": film.name,
        "picture": f"{facts.width}x{facts.height} {facts.video_codec}",
        "seconds": round(facts.decoded_duration_s, 1),
        "scenes": facts.n_scenes,
        "cpu_s_per_minute": {name: round(value / minutes, 3) for name, value in parts.items()},
        "media_over_floor": round(parts["media"] / parts["floor"], 3),
        "whole_over_floor": round(parts["whole"] / parts["floor"], 3),
    }


def bare_decode(film: Path) -> None:
    with av.open(str(film)) as container:
        streams = [s for s in (container.streams.best("video"), container.streams.best("audio")) if s is not None]
        for stream in streams:
            stream.codec_context.thread_type = "NONE"
        for packet in container.demux(streams):
            packet.decode()


def read(film: Path, settings: MediaSettings) -> None:
    with TrailerReader(film, settings) as reader:
        for _ in reader.scenes():
            pass


def embed(network: Network, scenes: list[Scene]) -> None:
    for start in range(0, len(scenes), 8):
        network.embed(scenes[start : start + 8])


def make_film(folder: Path) -> Path:
    """Rendered films one after the other, scaled to 720p, with grain so that the picture is as hard as film."""
    plans = plan_corpus(CorpusSettings())[:8]
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2.5, (8, HEIGHT, WIDTH, 1)).astype(np.int16)
    target = folder / "minute-720p24.mp4"
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=44100)
        n = 0
        for plan in plans:
            part = folder / plan.file_name
            part.parent.mkdir(parents=True, exist_ok=True)
            render_film(plan, part)
            with av.open(str(part)) as container:
                for frame in container.decode(video=0):
                    if n == SECONDS * FPS:
                        break
                    big = cv2.resize(frame.to_ndarray(format="rgb24"), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
                    noisy = np.clip(big + grain[n % len(grain)], 0, 255).astype(np.uint8)
                    out.mux(video.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
                    n += 1
        out.mux(video.encode(None))
        samples = (0.1 * rng.standard_normal((1, SECONDS * 44100))).astype(np.float32)
        for start in range(0, samples.shape[1], 1024):
            sound = av.AudioFrame.from_ndarray(samples[:, start : start + 1024], format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 44100, start
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return target


def show(row: dict[str, Any]) -> None:
    print(f"{row['film']}: {row['picture']}, {row['seconds']} s, {row['scenes']} scenes")
    for name, value in row["cpu_s_per_minute"].items():
        print(f"  {name:<45}{value:8.2f} CPU s a minute of film")
    print(f"  media / floor {row['media_over_floor']:.2f}, whole / floor {row['whole_over_floor']:.2f}")


if __name__ == "__main__":
    main()
