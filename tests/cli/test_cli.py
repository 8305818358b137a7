"""Help, settings, experts and doctor."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain.config import Settings, all_settings, load_settings, to_toml
from cinegrain.errors import ConfigError
from cinegrain.models.settings import ModelSettings
from cinegrain.training.settings import TrainSettings

COMMANDS = (
    "demo",
    "run",
    "extract",
    "train",
    "finetune",
    "discover",
    "report",
    "predict",
    "similar",
    "explain",
    "assign",
    "atlas",
    "settings",
    "doctor",
)
HEAVY = (
    "torch",
    "sklearn",
    "scipy",
    "lance",
    "pyarrow",
    "cv2",
    "onnxruntime",
    "onnx",
    "plotly",
    "av",
    "numba",
)


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(args))
    return result.exit_code, result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    code, text = run(command, "--help")
    assert code == 0
    assert "Usage" in text


def test_help_imports_nothing_heavy() -> None:
    """Half a second is met by not importing; this holds on any machine, which a clock would not."""
    script = (
        "import sys; from typer.testing import CliRunner; from cinegrain.cli.main import app;"
        "assert CliRunner().invoke(app, ['run', '--help']).exit_code == 0;"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("stage", ["pipeline.extraction.extract", "atlas.edit", "atlas.imported"])
def test_stages_without_training_do_not_wait_for_torch(stage: str) -> None:
    script = f"import sys, cinegrain.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_setting_is_a_flag_of_run_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # so that no name is broken
    text = " ".join(run("run", "--help")[1].split())
    assert "[default: ]" not in text
    for info in all_settings():
        assert f"--{info.key}" in text
        assert info.default == "" or f"[default: {info.default}]" in text
    assert len(list(all_settings())) > 30


def test_settings_as_toml_read_back(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(run("settings", "--toml")[1])
    assert load_settings(path) == Settings()
    rows = json.loads(run("settings", "--json")[1])
    assert {"key": "train.epochs", "default": 200, "help": "Most passes over the training films."} in rows


def test_files_and_flags_override_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("seed = 3\n[train]\nepochs = 7\nbatch = 9\n")
    second.write_text("[train]\nepochs = 8\n")
    found = load_settings(first, second, flags={"train.batch": 10})
    assert (found.seed, found.train.epochs, found.train.batch) == (3, 8, 10)
    assert found.train.patience == Settings().train.patience
    third = tmp_path / "3.toml"
    third.write_text(to_toml(found))
    assert load_settings(third) == found


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        """
        model = {pooling = "mean", width = 0, members = 0, dropout = -1.0, linear_share = -1.0}
        train = {batch = 0, learning_rate = 0.0, weight_decay = -1.0, ridge = -1.0, mixup = 0.0}
        finetune = {prototypes = 0, soft_temperature = 0.1}
        discover = {k = 0, k_max = 0}
        """
    )
    assert load_settings(path) == Settings()
    path.write_text("[model]\nlinear_share = 0.0\ndropout = 0.0\n[train]\nweight_decay = 0.0\n")
    found = load_settings(path)
    assert (found.model.linear_share, found.model.dropout, found.train.weight_decay) == (0, 0, 0)
    path.write_text('[model]\npooling = "attention"\n')
    with pytest.raises(ConfigError, match=r"Unknown setting 'model.pooling'"):
        load_settings(path)


def test_auto_is_said_and_given_by_name(tmp_path: Path) -> None:
    assert load_settings(flags={"model.width": "auto", "model.dropout": "0.5", "train.batch": "12"}) == replace(
        Settings(), model=ModelSettings(dropout=0.5), train=TrainSettings(batch=12)
    )
    assert 'width = "auto"' in to_toml(Settings())
    with pytest.raises(ConfigError, match=r"model\.width must be at least 1; found 0"):
        load_settings(flags={"model.width": "0"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[train]\nbatch = "many"\n', "Setting train.batch: .*integer.* or 'auto'; found 'many'"),
        ("[train]\nepoch = 3\n", "Unknown setting 'train.epoch'.*Did you mean train.epochs"),
        ("epochs = 3\n", "Did you mean"),
        ('[train]\nepochs = "many"\n', "train.epochs.*'many'"),
        ("[train\n", "Cannot read the settings file"),
        ("[split]\nval = 0.9\ntest = 0.9\n", "split.val and split.test"),
    ],
)
def test_bad_settings_are_clear(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_settings(path)


def test_experts_list_marks_substitutes() -> None:
    rows = json.loads(run("experts", "list", "--json")[1])
    by_name = {row["name"]: row for row in rows}
    assert by_name["location_layout"]["substitute_for"].endswith("Places365")
    assert by_name["audio_yamnet"]["substitute"] is False
    assert "Substitute" in run("experts", "list")[1]


def test_bad_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert run("run")[0] == 2
    assert run("nonsense")[0] == 2
    assert run("experts", "install", "nonsense")[0] == 2
    assert run("train", str(tmp_path), "--config", str(tmp_path / "none.toml"))[0] in (1, 2)


def test_doctor_finds_this_machine_well() -> None:
    code, text = run("doctor", "--json")
    assert code == 0, text
    assert {c["check"] for c in json.loads(text)} >= {
        "python",
        "pyarrow",
        "extra train",
        "cache folder",
        "weights of audio_yamnet",
    }


def test_version() -> None:
    assert run("--version") == (0, "cinegrain 0.1.0\n")
