"""What one minute of film costs, beside how extractors are plainly written and beside the physical floor.

    python benchmarks/extraction.py [FILM ...] [--json] [--quick] [--seconds 60] [--repeat 3]

Without films it makes --seconds of 1280x720 H.264 at 24 frames a second from rendered scenes with fine film grain;
--quick makes six seconds of drifting blocks and measures once, two networks with the quicker engine: a rough
look. Everything but "busy" runs in one process on one thread; the figures are
process time (user and system), the least of the repeats; plain runs before ours and again after it.

light   By part, beside bare decoding: every frame and every sound packet is decoded and nothing is done with them.
paper   The paper's four networks with random weights in their published format: ours with each engine and precision
        against plain_extractor.py, which decodes once for each feature and runs eager PyTorch. "floor" is bare
        decoding plus the operations of all convolutions and products over the measured rate of a matrix product.
        8-bit graphs are calibrated on another film. Similarity is that of scene vectors, ours to the plain ones; the
        centred one is taken after the mean over scenes is gone, because random networks point mostly one way.
busy    Share of all cores' time in which they worked, while `extract` puts many films through the light preset.

The first line names the processor and its instruction sets for 8-bit products: without VNNI 8 bits gain less. With
--json the last line is one object with the figures that matter.
"""

import argparse
import functools
import importlib.metadata
import itertools
import json
import logging
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from cinegrain.pipeline.extraction.extract import stored_expert

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import av
import cv2
import numpy as np
import onnx
import torch

from cinegrain.config import Settings
from cinegrain.experts import resnet50, video_resnet
from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS, expert_cards, load_networks
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import FOLDER_VARIABLE
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.embed import Embedder, Job
from cinegrain.pipeline.extraction.extract import extract
from cinegrain.pipeline.extraction.quantise import quantise_experts
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep
from cinegrain.settings import Engine, ExtractSettings, MediaSettings, Precision
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Float32, Scene, SceneEmbedding, Trailer, UInt8
from cinegrain.urls import CACHE_VARIABLE, cache_folder
from cinegrain_demo.plan import CorpusSettings, plan_corpus
from cinegrain_demo.render import render_film
from paper_weights import write_checkpoints
from plain_extractor import extract_plainly

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 24, 60
PAPER = PRESETS["paper"]
QUICK = (video_resnet.R2PLUS1D.card.name, resnet50.IMAGE.card.name)
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


class Quiet:
    """Nobody watches."""

    @contextmanager
    def stage(self, _title: str) -> Iterator[OnStep]:
        yield lambda *_: None

    def say(self, line: str) -> None:
        print(line, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("films", nargs="*", type=Path, help="your own films; else one is made")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--quick", action="store_true", help="six seconds of film, measured once")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the film that is made")
    parser.add_argument("--repeat", type=int, default=3, help="repeats; the least counts")
    args = parser.parse_args()
    repeat, seconds = (1, 6) if args.quick else (args.repeat, args.seconds)
    logging.getLogger("cinegrain").setLevel(logging.ERROR)  # random weights are not the published files: known
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        make = blocks_film if args.quick else rendered_film
        films = args.films or [make(scratch, seconds=seconds, seed=0)]
        other = make(scratch, seconds=max(seconds, 16), seed=8)
        result: dict[str, Any] = {
            "machine": machine(),
            "busy": busy(films[0], scratch, copies=4 if args.quick else 16),
            "light": [light(film, repeat, scratch) for film in films],
            "paper": paper(films[0], other, repeat, scratch, quick=args.quick),
        }
    result["summary"] = summary(result)
    show(result)
    if args.json:
        print(json.dumps({**result["summary"], "details": {k: v for k, v in result.items() if k != "summary"}}))


def machine() -> dict[str, Any]:
    packages = ("av", "numpy", "onnxruntime", "opencv-python-headless", "openvino", "pylance", "torch")
    found = {name: importlib.metadata.version(name) for name in packages if _installed(name)}
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": processor(),
        "features": features(torch.cpu.get_capabilities()),
        "cores": cores,
        "python": platform.python_version(),
        "versions": found,
    }


def _installed(package: str) -> bool:
    return any(importlib.metadata.distributions(name=package))


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def features(capabilities: Mapping[str, Any]) -> list[str]:
    """Which instruction sets that set the pace of 8-bit networks a processor has; `dot` and `i8mm` are those of ARM.

    Args:
        capabilities: From `torch.cpu.get_capabilities`.
    """
    return [name for name in ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "dot", "i8mm") if capabilities.get(name)]


def least(work: Callable[[], object], repeat: int) -> float:
    """Least process time of several runs, seconds."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def light(film: Path, repeat: int, scratch: Path) -> dict[str, Any]:
    """CPU seconds a minute of film in the light preset, by part."""
    settings = MediaSettings()
    networks = load_networks(PRESETS["light"], cache_folder())
    with TrailerReader(film, settings) as reader:
        scenes: list[Scene] = list(reader.scenes())
        facts = reader.facts()
    minutes = facts.decoded_duration_s / 60
    parts = {"floor": least(lambda: bare_decode(film), repeat), "media": least(lambda: read(film, settings), repeat)}
    for network in networks:
        name = " + ".join(expert for expert in network.embed(scenes[:1]))
        parts[name] = least(lambda n=network: embed(n, scenes), repeat)  # type: ignore[misc]
    embedded = Embedder(networks, PRESETS["light"], settings).one(Job("film", film))
    stored = [stored_expert(expert_cards()[name], "") for name in PRESETS["light"]]
    writer = DatasetWriter(scratch / f"ds-{film.name}", experts=stored, settings={})
    numbers = iter(range(10**6))

    def store() -> None:
        record = replace(embedded.record, trailer_id=f"film {next(numbers)}")
        writer.append(record, embedded.scenes, embedded.embeddings)

    parts["store"] = least(store, repeat)
    parts["whole"] = least(lambda: Embedder(networks, PRESETS["light"], settings).one(Job("film", film)), repeat)
    return {
        "film": film.name,
        "picture": f"{facts.width}x{facts.height} {facts.video_codec}",
        "seconds": round(facts.decoded_duration_s, 1),
        "scenes": facts.n_scenes,
        "cpu_s_per_minute": {name: round(value / minutes, 3) for name, value in parts.items()},
        "media_over_floor": round(parts["media"] / parts["floor"], 3),
        "whole_over_floor": round(parts["whole"] / parts["floor"], 3),
    }


def paper(film: Path, other: Path, repeat: int, scratch: Path, *, quick: bool) -> dict[str, Any]:
    """The paper's networks: plain, ours by engine and precision, and the floor; CPU seconds a minute of film."""
    experts = QUICK if quick else PAPER
    weights_folder = scratch / "weights"
    weights_folder.mkdir()
    weights = write_checkpoints(weights_folder, experts)
    settings = MediaSettings()
    with mock.patch.dict(os.environ, {FOLDER_VARIABLE: str(weights_folder), CACHE_VARIABLE: str(scratch / "cache")}):
        notes = quantise_experts(experts, [other], settings, Quiet()).notes
        with TrailerReader(film, settings, with_clips=True) as reader:
            scenes = list(reader.scenes())
            minutes = reader.facts().decoded_duration_s / 60
        plain: dict[str, Float32] = {}
        run_plainly = functools.partial(extract_plainly, film, scenes, weights, experts)
        before_s = least(lambda: plain.update(run_plainly()), repeat)
        media_s = least(lambda: read(film, settings, with_clips=True), repeat)
        engines: list[Engine] = ["onnxruntime", "openvino"] if _installed("openvino") else ["onnxruntime"]
        ours = {
            f"{engine} {precision}": variant(film, scenes, plain, Runtime(1, engine, precision), repeat)
            for engine in (engines[-1:] if quick else engines)
            for precision in PRECISIONS
        }
        plain_s = min(before_s, least(run_plainly, 1 if quick else 2))  # a machine's pace drifts
        counts = operations(scratch / "cache" / "graphs", scenes)
    rate = matrix_rate()
    floor_s = least(lambda: bare_decode(film), repeat) + sum(counts.values()) / rate
    for row in ours.values():
        row["parts_cpu_s_per_minute"] = {name: round(s / minutes, 3) for name, s in row.pop("parts").items()}
        row["ratio"] = round(plain_s / row["cpu_s"], 2)
        row["over_floor"] = round(row["cpu_s"] / floor_s, 2)
        row["cpu_s_per_minute"] = round(row.pop("cpu_s") / minutes, 2)
    return {
        "scenes": len(scenes),
        "frames": sum(len(s.frames) for s in scenes),
        "clips": sum(len(s.clips) for s in scenes),
        "plain_cpu_s_per_minute": round(plain_s / minutes, 2),
        "media_cpu_s_per_minute": round(media_s / minutes, 2),
        "floor_cpu_s_per_minute": round(floor_s / minutes, 2),
        "matrix_rate_gflop_s": round(rate / 1e9, 1),
        "operations_gflop_per_minute": {name: round(n / minutes / 1e9, 1) for name, n in counts.items()},
        "kept_in_8_bits": [note.graph for note in notes if note.kept],
        "ours": ours,
    }


def variant(
    film: Path, scenes: Sequence[Scene], plain: dict[str, Float32], runtime: Runtime, repeat: int
) -> dict[str, Any]:
    """One engine and precision: time of the whole film, of each part, and similarity to the plain vectors."""
    networks = load_networks(list(plain), cache_folder(), runtime)
    parts = {}
    for network in networks:
        name = " + ".join(expert for expert in network.embed(list(scenes[:1])))  # the first run also warms up
        parts[name] = least(lambda n=network: embed(n, list(scenes)), repeat)  # type: ignore[misc]
    done: list[EmbeddedTrailer] = []
    cpu_s = least(lambda: done.append(Embedder(networks, list(plain), MediaSettings()).one(Job("film", film))), repeat)
    similarity = {name: cosines(done[-1].embeddings[name], plain[name]) for name in plain}
    return {
        "cpu_s": cpu_s,
        "parts": parts,
        "cosine": {name: round(float(values.mean()), 7) for name, (values, _) in similarity.items()},
        "lowest_cosine": {name: round(float(values.min()), 7) for name, (values, _) in similarity.items()},
        "centred_cosine": {name: round(float(values.mean()), 5) for name, (_, values) in similarity.items()},
    }


def cosines(column: Sequence[SceneEmbedding | None], plain: Float32) -> tuple[Float32, Float32]:
    """Similarity of each scene's vector to the plain one, as it is and with the scenes' mean taken away."""
    at = [i for i, e in enumerate(column) if e is not None]
    ours = np.stack([e.vector for e in column if e is not None]).astype(np.float64)
    theirs = plain[at].astype(np.float64)

    def cosine(a: Any, b: Any) -> Any:
        return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) + 1e-30)

    return cosine(ours, theirs), cosine(ours - theirs.mean(0), theirs - theirs.mean(0))


def operations(graphs: Path, scenes: Sequence[Scene]) -> dict[str, float]:
    """Floating point operations of all convolutions and products that the scenes ask for, by graph."""
    items = {"frames": sum(len(s.frames) for s in scenes), "clips": sum(len(s.clips) for s in scenes)}
    items["patches"] = sum(int((s.end_s - s.start_s) / 0.96) for s in scenes)
    found = {}
    for path in sorted(graphs.glob("*.onnx")):
        if path.name.endswith(".int8.onnx"):
            continue
        model = onnx.load(str(path))
        name = model.graph.input[0].name
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        model = onnx.shape_inference.infer_shapes(model)
        sizes = {
            v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]
            for v in [*model.graph.value_info, *model.graph.output]
        }
        weights = {w.name: list(w.dims) for w in model.graph.initializer}
        total = 0.0
        for node in model.graph.node:
            if node.op_type in ("Conv", "Gemm"):
                out = float(np.prod(sizes[node.output[0]]))
                total += 2 * out * np.prod(weights[node.input[1]]) / max(sizes[node.output[0]][1], 1)
        found[path.name.partition("-v")[0]] = total * items[name]
    return found


def matrix_rate() -> float:
    """Operations a second of one thread in a product of two large matrices, NumPy's or PyTorch's: the quicker.

    Each library knows some processors better than others.
    """
    a = np.random.default_rng(0).standard_normal((1536, 1536)).astype(np.float32)
    b = torch.from_numpy(a)
    return 2 * 1536**3 / min(least(lambda: a @ a, 6), least(lambda: b @ b, 6))


def busy(film: Path, scratch: Path, copies: int) -> dict[str, Any]:
    """Share of all cores' time spent working while `extract` runs over copies of a film, from start to end."""
    folder = scratch / "films"
    folder.mkdir()
    trailers = []
    for n in range(copies):
        os.link(film, folder / f"{n}.mp4") if film.parent == scratch else (folder / f"{n}.mp4").symlink_to(film)
        trailers.append(Trailer(f"{n}", folder / f"{n}.mp4", f"{n}"))
    cores = len(os.sched_getaffinity(0))

    def used() -> float:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

    started, before = time.perf_counter(), used()
    extract(Run(scratch / "run"), trailers, Settings(extract=ExtractSettings(workers=cores)), Quiet())
    wall, cpu = time.perf_counter() - started, used() - before
    return {"films": copies, "workers": cores, "wall_s": round(wall, 1), "busy_share": round(cpu / (wall * cores), 3)}


def bare_decode(film: Path) -> None:
    with av.open(str(film)) as container:
        streams = [s for s in (container.streams.best("video"), container.streams.best("audio")) if s is not None]
        for stream in streams:
            stream.codec_context.thread_type = "NONE"
        for packet in container.demux(streams):
            packet.decode()


def read(film: Path, settings: MediaSettings, *, with_clips: bool = False) -> None:
    with TrailerReader(film, settings, with_clips=with_clips) as reader:
        for _ in reader.scenes():
            pass


def embed(network: Network, scenes: list[Scene]) -> None:
    for start in range(0, len(scenes), 8):
        network.embed(scenes[start : start + 8])


def rendered_film(folder: Path, *, seconds: int, seed: int) -> Path:
    """Rendered films one after the other, scaled to 720p, with grain so that the picture is as hard as film."""
    grain = np.random.default_rng(seed).normal(0, 2.5, (8, HEIGHT, WIDTH, 1)).astype(np.int16)

    def pictures() -> Iterator[UInt8]:
        for plan in plan_corpus(CorpusSettings())[seed : seed + 8]:
            part = folder / plan.file_name
            part.parent.mkdir(parents=True, exist_ok=True)
            render_film(plan, part)
            with av.open(str(part)) as container:
                for frame in container.decode(video=0):
                    big = cv2.resize(frame.to_ndarray(format="rgb24"), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
                    yield np.clip(big + grain[(frame.pts or 0) % len(grain)], 0, 255).astype(np.uint8)

    return write_film(folder / f"rendered-{seed}.mp4", pictures(), seconds)


def blocks_film(folder: Path, *, seconds: int, seed: int) -> Path:
    """Coloured blocks that drift, a cut every two seconds: quick to make."""
    rng = np.random.default_rng(seed)

    def pictures() -> Iterator[UInt8]:
        while True:
            blocks = cv2.resize(rng.integers(0, 256, (12, 24, 3), np.uint8), (WIDTH + 200, HEIGHT))
            for i in range(2 * FPS):
                yield np.ascontiguousarray(blocks[:, 2 * i : 2 * i + WIDTH])

    return write_film(folder / f"blocks-{seed}.mp4", pictures(), seconds)


def write_film(target: Path, pictures: Iterator[UInt8], seconds: int) -> Path:
    """Pictures and a hiss as 720p24 H.264 and AAC."""
    rng = np.random.default_rng(0)
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=44100)
        for picture in itertools.islice(pictures, seconds * FPS):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        samples = (0.1 * rng.standard_normal((1, seconds * 44100))).astype(np.float32)
        for start in range(0, samples.shape[1], 1024):
            sound = av.AudioFrame.from_ndarray(samples[:, start : start + 1024], format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 44100, start
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return target


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The figures that matter; of the engines the one that takes less time."""
    ours = result["paper"]["ours"]
    best = {
        p: max((row for name, row in ours.items() if name.endswith(p)), key=lambda r: r["ratio"]) for p in PRECISIONS
    }
    row = result["light"][0]["cpu_s_per_minute"]
    return {
        "cpu_ratio_int8": best["int8"]["ratio"],
        "cpu_ratio_fp32": best["fp32"]["ratio"],
        "cosine_int8": min(best["int8"]["cosine"].values()),
        "cosine_fp32": min(best["fp32"]["lowest_cosine"].values()),
        "light_cpu_s_per_min": row["whole"],
        "decode_floor_share": round(row["floor"] / row["whole"], 3),
        "busy_share": result["busy"]["busy_share"],
    }


def show(result: dict[str, Any]) -> None:
    row = result["machine"]
    print(f"{row['processor']}, {row['cores']} cores, {' '.join(row['features']) or 'no 8-bit instruction sets'}")
    for row in result["light"]:
        print(f"light, {row['film']}: {row['picture']}, {row['seconds']} s, {row['scenes']} scenes")
        for name, value in row["cpu_s_per_minute"].items():
            print(f"  {name:<45}{value:8.2f} CPU s a minute, {value / row['cpu_s_per_minute']['whole']:5.0%} of whole")
        print(f"  media / floor {row['media_over_floor']:.2f}, whole / floor {row['whole_over_floor']:.2f}")
    rows = result["paper"]
    print(f"paper: {rows['frames']} frames, {rows['clips']} clips, {rows['scenes']} scenes")
    print(f"  {'plain, one decode a feature, eager fp32':<45}{rows['plain_cpu_s_per_minute']:8.2f} CPU s a minute")
    print(f"  {'floor at ' + str(rows['matrix_rate_gflop_s']) + ' GFLOP/s':<45}{rows['floor_cpu_s_per_minute']:8.2f}")
    for name, row in rows["ours"].items():
        print(
            f"  {'ours, ' + name:<45}{row['cpu_s_per_minute']:8.2f}, {row['ratio']:.2f} times less than plain, "
            f"{row['over_floor']:.2f} of the floor, least mean cosine {min(row['cosine'].values()):.6f}, "
            f"centred {min(row['centred_cosine'].values()):.4f}"
        )
        shares = {"media": rows["media_cpu_s_per_minute"], **row["parts_cpu_s_per_minute"]}
        for part, value in shares.items():
            print(f"    {part:<43}{value:8.2f} {value / row['cpu_s_per_minute']:5.0%}")
    print(f"busy: {result['busy']['films']} films, {result['busy']['wall_s']} s, {result['busy']['busy_share']:.0%}")


if __name__ == "__main__":
    main()
