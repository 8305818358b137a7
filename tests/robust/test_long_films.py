"""Memory does not grow with the length of a film: twenty minutes against three hours."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.media.conftest import texture

pytestmark = [pytest.mark.xdist_group("robust"), pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")]
SHOT_S, SOUND_RATE_HZ = 10, 8_000
PEAK_MB, GROWTH_MB = 500, 60

READ = """
import json, sys
from pathlib import Path
import numpy as np
from cinegrain.settings import MediaSettings
from cinegrain.pipeline.extraction.embed import Embedder, Job
from cinegrain.types import SceneEmbedding

class Means:
    "As wide as a real expert, and cheap."
    def embed(self, scenes):
        return {"means": [SceneEmbedding(np.full(1280, s.frames.mean(), np.float32)) for s in scenes]}

def peak_mb():
    # Not ru_maxrss: a new process inherits that from the one that started it.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

before = peak_mb()
done = Embedder([Means()], ["means"], MediaSettings(frame_size_px=128)).one(Job("long", Path(sys.argv[1])))
facts = json.loads(done.record.facts)
assert len(done.embeddings["means"]) == len(done.scenes)
print(json.dumps({"before_mb": before, "peak_mb": peak_mb(), "n_scenes": len(done.scenes), **facts}))
"""


def write_long_film(path: Path, seconds: int) -> Path:
    """One picture a second, a cut every ten, and a quiet hiss."""
    pictures = [av.VideoFrame.from_ndarray(texture(i, 160, 90), format="rgb24") for i in range(7)]
    pictures = [picture.reformat(format="yuv420p") for picture in pictures]
    hiss = np.random.default_rng(0).integers(-3000, 3000, (1, SOUND_RATE_HZ), np.int16)
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "30"})
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        audio: Any = out.add_stream("pcm_s16le", rate=SOUND_RATE_HZ, layout="mono")
        for second in range(seconds):
            picture = pictures[second // SHOT_S % len(pictures)]
            picture.pts, picture.time_base = second, Fraction(1)
            out.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(hiss, format="s16", layout="mono")
            sound.sample_rate, sound.pts = SOUND_RATE_HZ, second * SOUND_RATE_HZ
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def read(path: Path) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=250, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_three_hours_take_no_more_memory_than_twenty_minutes(tmp_path: Path) -> None:
    found = {seconds: read(write_long_film(tmp_path / f"{seconds}.mkv", seconds)) for seconds in (20 * 60, 3 * 3600)}
    for seconds, film in found.items():
        assert film["decoded_duration_s"] == pytest.approx(seconds, abs=1)
        assert film["n_scenes"] == seconds // SHOT_S
        assert not film["flags"]
        print(f"{seconds / 60:.0f} min: {film['before_mb']:.0f} MB at the start, {film['peak_mb']:.0f} MB at most")
        assert film["peak_mb"] < PEAK_MB
    # What is handed over grows: a thumbnail and a vector of 1280 numbers for each of a thousand scenes, 12 MB.
    assert found[3 * 3600]["peak_mb"] - found[20 * 60]["peak_mb"] < GROWTH_MB
