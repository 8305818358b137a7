"""Two processes train one network together: the same loss curve and the same weights as one."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegrain.config import load_settings
from cinegrain.errors import ConfigError
from cinegrain.experts.registry import expert_names
from cinegrain.pipeline.learning.train import load_data, train
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.training.checkpoint import CoarseCard, load_model
from cinegrain.training.devices import Devices, launched_devices
from simulator.corpus import simulate
from simulator.settings import SimulateSettings

# Without dropout nothing is drawn within a batch, and a step of two processes is a step of one.
FLAGS = {
    "model.dropout": 0.0,
    "train.modality_dropout": 0.0,
    "train.epochs": 4,
    "train.learning_rate": 1e-2,
    "train.batch_size": 33,  # so that the two shares are not alike
}


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        return port


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    wanted = SimulateSettings(trailers=150, scale_dimensions=0.02, pooled=True, difficulty="easy")
    simulate(alone, wanted, load_settings(), Silent())
    shutil.copytree(alone, both)
    # 90 films train: the last batch has 24. `cinegrain train` is started as a user would start it.
    flags = [part for key, value in FLAGS.items() for part in (f"--{key}", str(value))]
    launcher = ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launcher += ["--dynamo_backend", "no", "--main_process_port", str(free_port())]
    command = [sys.executable, "-m", "accelerate.commands.launch", *launcher, "-m", "cinegrain", "train", str(both)]
    done = subprocess.run(
        [*command, "--json", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)  # one process speaks for both
    settings = load_settings(alone / "settings.toml", flags=FLAGS)
    data = load_data(Run(alone), load_matched(Run(alone).catalog).trailers, expert_names(settings.extract.experts))
    train(Run(alone), data, settings, Silent())
    (one, card), (two, other) = (load_model(run / "models/coarse", CoarseCard) for run in (alone, both))
    assert other.split == card.split
    for mine, theirs in zip(card.history, told["history"], strict=True):
        # A batch's mean is summed in two parts: rounding alone, some 1e-7 a step, which Adam may blow up a little.
        assert theirs["train_loss"] == pytest.approx(mine.train_loss, rel=1e-4)
        assert theirs["val_loss"] == pytest.approx(mine.val_loss, rel=1e-4)
    losses = [epoch.train_loss for epoch in card.history]
    assert losses[-1] < 0.9 * losses[0], "there was something to learn"
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], weight, atol=1e-3, rtol=1e-3)


class Third(Devices):
    rank, count = 2, 3


def test_shares_of_a_batch_are_disjoint_and_whole() -> None:
    rows = np.array([7, 3, 9, 1])
    parts = []
    for rank in range(3):
        devices = Third()
        devices.rank = rank
        parts.append(devices.shard(rows))
    assert np.concatenate(parts).tolist() == rows.tolist()
    assert all(len(part) for part in parts)
    assert Third().shard(rows[:2]).tolist() == [7, 3], "with fewer films than processes each takes all"
    assert Devices().shard(rows).tolist() == rows.tolist()


def test_processes_draw_differently_and_one_alone_draws_as_it_says() -> None:
    first, third = Devices().seed(5), Third().seed(5)
    assert not torch.rand(3, generator=first).equal(torch.rand(3, generator=third))
    Devices().seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.rand(3).equal(drawn)


def test_without_accelerate_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert type(launched_devices()) is Devices
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ConfigError, match=r"cinegrain\[devices\]"):
        launched_devices()
