"""Peak memory of one process that puts a film of three hours through the light preset, beside one of ten minutes.

    python benchmarks/long_film.py [--minutes 10 180] [--json]

The films are 1280x720 at 12 frames a second with a cut every 25 seconds, so that scenes are as long as they get.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, FPS, SHOT_S, RATE_HZ = 1280, 720, 12, 25, 16_000

READ = """
import json, sys, time
from pathlib import Path
from cinegrain.experts.registry import PRESETS, load_networks
from cinegrain.urls import cache_folder
from cinegrain.settings import MediaSettings
from cinegrain.pipeline.extraction.embed import Embedder, Job

def peak_mb():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

networks = load_networks(PRESETS["light"], cache_folder())
loaded = peak_mb()
start = time.process_time()
done = Embedder(networks, PRESETS["light"], MediaSettings(time_limit_s=36000)).one(Job("long", Path(sys.argv[1])))
cpu_s = time.process_time() - start
print(json.dumps({"loaded_mb": round(loaded), "peak_mb": round(peak_mb()), "cpu_s": round(cpu_s),
                  "scenes": len(done.scenes), "seconds": done.record.duration_s}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 180])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in args.minutes:
            film = write_film(Path(scratch) / f"{minutes}.mkv", minutes * 60)
            start = time.perf_counter()
            out = subprocess.run([sys.executable, "-c", READ, film], capture_output=True, text=True, check=True).stdout
            row = {"minutes": minutes, **json.loads(out), "wall_s": round(time.perf_counter() - start)}
            print(
                f"{minutes} minutes, {row['scenes']} scenes: peak {row['peak_mb']} MB, of which {row['loaded_mb']} MB "
                f"are the networks and libraries; {row['cpu_s']} CPU s",
                flush=True,
            )
            rows.append(row)
    if args.json:
        print(json.dumps({"films": rows}))


def write_film(path: Path, seconds: int) -> Path:
    """A few still pictures, each panned to and fro, with a hiss."""
    rng = np.random.default_rng(0)
    stills = [np.kron(rng.integers(0, 256, (9, 18, 3), np.uint8), np.ones((80, 80, 1), np.uint8)) for _ in range(5)]
    shots = [
        [
            av.VideoFrame.from_ndarray(
                np.ascontiguousarray(still[:, 16 * i : 16 * i + WIDTH]), format="rgb24"
            ).reformat(format="yuv420p")
            for i in range(10)
        ]
        for still in stills
    ]
    hiss = rng.integers(-3000, 3000, (1, RATE_HZ), np.int16)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "30"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = out.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for second in range(seconds):
            for i in range(FPS):
                picture = shots[second // SHOT_S % len(shots)][abs((second * FPS + i) % 18 - 9)]
                picture.pts, picture.time_base = second * FPS + i, Fraction(1, FPS)
                out.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(hiss, format="s16", layout="mono")
            sound.sample_rate, sound.pts = RATE_HZ, second * RATE_HZ
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


if __name__ == "__main__":
    main()
