"""Help, settings, experts and doctor."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cinegrain.cli.console import note, watcher
from cinegrain.cli.main import app
from cinegrain.cli.options import CurrentCommand, guarded, with_settings
from cinegrain.config import Settings, all_settings, keyed, load_settings, to_toml
from cinegrain.errors import ConfigError
from cinegrain.models.shape import ModelShape
from cinegrain.settings import DiscoverSettings, ModelSettings, TrainSettings, current_section
from cinegrain.terminal import notes

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
    "search",
    "serve",
    "evaluate",
    "ablate",
    "export",
    "experts",
    "dataset",
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


@pytest.mark.train
@pytest.mark.parametrize("stage", ["pipeline.extraction.extract", "atlas.edit", "atlas.imported"])
def test_stages_without_training_do_not_wait_for_torch(stage: str) -> None:
    script = f"import sys, cinegrain.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_settings_are_not_in_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run("run", "--help")[1]
    assert len(text.splitlines()) < 60
    assert "--set train.epochs=50" in " ".join(text.replace("│", "").split())
    assert not any(f"--{info.key}" in text for info in all_settings() if info.key != "train.epochs")


@guarded
@with_settings("seed", "train")
def probe(flags: dict[str, Any], name: str, why: str = "") -> None:
    settings = load_settings(flags=flags)
    with watcher().stage("Work") as on_step:
        on_step(1, 1, "done")
    note("a note")
    print(name, why, settings.seed, settings.train.epochs, settings.train.batch_size)


def run_probe(*args: str) -> Result:
    probing = typer.Typer()
    probing.command(cls=CurrentCommand)(probe)
    return CliRunner().invoke(probing, list(args))


@pytest.mark.parametrize(
    "args",
    [
        ("film", "--train.epochs", "7", "--seed=3", "--train.batch_size", "auto"),
        ("--train.epochs=7", "--set", "seed=3", "film"),
        ("--set", "train.epochs=7", "--set=seed=3", "--", "film"),
    ],
)
def test_any_setting_is_taken_in_every_form(args: tuple[str, ...]) -> None:
    assert run_probe(*args).stdout.split() == ["film", "3", "7", "auto"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--train.epoch", "7"), "Did you mean train.epochs?"),
        (("--set", "epochs=7"), "Did you mean train.epochs?"),
        (("--train.epochs",), "train.epochs"),
        (("--discover.n_clusters", "3"), "takes no discover settings, such as discover.n_clusters"),
        (("--train.min_epochs", "3"), "train.min_epochs = 3 is no longer a setting; it is always 20"),
        (("--set", "train.epochs"), "--set takes name=value"),
    ],
)
def test_a_wrong_setting_is_bad_usage(args: tuple[str, ...], message: str) -> None:
    done = run_probe("film", *args)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_quiet_leaves_results_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "quiet", False)
    assert {"Work ...", "note: a note"} <= set(run_probe("film").stderr.splitlines())
    quiet = run_probe("film", "--quiet")
    assert (quiet.stdout.split()[0], quiet.stderr) == ("film", "")


@pytest.mark.train
@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ("similar {run} film --top 3", "--top is now --top-k."),
        ("explain {run} film", "explain RUN FILM is now predict RUN FILM."),
        ("predict --model {run} film.mp4", "predict --model MODEL FILM is now predict MODEL FILM."),
        ("atlas lock {run} S01 --off", "lock --off is now unlock."),
        ("atlas export {run} atlas.csv", "atlas export RUN FILE is now atlas export RUN --out FILE."),
        ("experts quantise film.mp4 --experts none", "quantise FILM... --experts NAMES is now quantise NAMES FILM..."),
        ("train {run} --train.batch 3", ""),
    ],
)
def test_old_names_are_accepted_with_a_hint(args: str, hint: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, args.format(run=tmp_path).split(), env={"COLUMNS": "200"})
    assert hint in " ".join(done.stderr.split())
    assert "No such" not in done.stderr
    quiet = CliRunner().invoke(app, ["-q", *args.format(run=tmp_path).split()], env={"COLUMNS": "200"})
    assert "is now" not in quiet.stderr
    assert "Error:" in quiet.stderr


@pytest.mark.train
def test_predict_tells_its_first_argument_by_looking(tmp_path: Path) -> None:
    video = tmp_path / "film.mp4"
    video.touch()
    for first in (str(video), "https://host/film.mp4"):
        code, text = run("predict", first, "other.mp4")
        assert code == 2
        assert f"{first} is not a run or an exported model. Give one first" in " ".join(text.split())
    assert "not a Cinegrain run" in run("predict", str(tmp_path), str(video))[1]
    (tmp_path / "model.json").write_text("{}")
    assert "not an exported model of format" in " ".join(run("predict", str(tmp_path), str(video))[1].split())


@pytest.mark.train
def test_search_for_nothing_is_refused_before_the_run_is_read(tmp_path: Path) -> None:
    code, text = run("search", str(tmp_path))
    assert code == 2
    assert "Name what to search for" in text


def test_shell_completion() -> None:
    done = CliRunner().invoke(app, [], env={"_CINEGRAIN_COMPLETE": "source_bash"})
    assert "complete -o default -F _cinegrain_completion cinegrain" in done.stdout


def test_settings_as_toml_read_back(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(run("settings", "--toml")[1])
    assert load_settings(path) == Settings()
    rows = json.loads(run("settings", "--json")[1])
    assert {"key": "train.epochs", "default": 200, "help": "Maximum number of epochs."} in rows


def test_files_and_flags_override_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("seed = 3\n[train]\nepochs = 7\nbatch_size = 9\n")
    second.write_text("[train]\nepochs = 8\n")
    found = load_settings(first, second, flags={"train.batch_size": 10})
    assert (found.seed, found.train.epochs, found.train.batch_size) == (3, 8, 10)
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
    assert (found.model.linear_weight, found.model.dropout, found.train.weight_decay) == (0, 0, 0)
    path.write_text("discover = {restarts = 10, stability_seeds = 10}\nextract = {workers = 0}")
    assert load_settings(path) == Settings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[model]\npooling = "attention"\n', r"model\.pooling = attention in .*s\.toml is no longer a setting"),
        ("[media]\nsilence_dbfs = -60\n", r"media\.silence_dbfs = -60 .* it is always -80\.0\. Remove it"),
    ],
)
def test_what_can_no_longer_be_chosen_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_settings(path)


def test_old_names_are_read_with_a_hint_but_not_in_what_a_run_wrote(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[train]\nbatch = 9\n[split]\nval = 0.1\n")
    found = load_settings(path, flags={"model.width": "7"})
    assert (found.train.batch_size, found.split.val_fraction, found.model.hidden_dim) == (9, 0.1, 7)
    assert {"train.batch is now train.batch_size.", "model.width is now model.hidden_dim."} <= set(caplog.messages)
    caplog.clear()
    (tmp_path / "run.json").touch()
    assert load_settings(path).train.batch_size == 9
    assert not caplog.messages


def test_a_run_trained_with_what_is_fixed_now_stays_readable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.toml"
    (tmp_path / "run.json").touch()
    path.write_text("[discover]\nrestarts = 3\n")
    assert load_settings(path) == Settings()
    assert "discover.restarts = 3" in caplog.text
    path.write_text("[media]\nclip_fps = 7.5\n")  # its films would be read otherwise
    with pytest.raises(ConfigError, match="clip_fps"):
        load_settings(path)


def test_keys_of_artifacts_have_the_first_names_and_what_is_fixed_since() -> None:
    """As the version before the renames had them, so that nothing is computed again."""
    assert keyed(Settings(), "discover") == {
        "clusterer": "genres",
        "k": "auto",
        "k_min": 2,
        "k_max": "auto",
        "restarts": 10,
        "text_columns": DiscoverSettings().text_columns,
        "nuisance_columns": DiscoverSettings().nuisance_columns,
        "stability_seeds": 10,
        "stability_subsamples": 10,
    }


def test_models_of_the_version_before_are_read() -> None:
    """Their cards say what settings said: trained models and exported ones."""
    card = {"fusion": "gating", "width": 8, "members": 2, "dropout": 0.1, "linear_share": 0.3, "pooling": "mean"}
    assert ModelShape(**current_section("model", card)) == ModelShape(
        fusion="gating", hidden_dim=8, ensemble_size=2, dropout=0.1, linear_weight=0.3
    )


def test_settings_are_few() -> None:
    assert len(list(all_settings())) <= 45


def test_auto_is_said_and_given_by_name(tmp_path: Path) -> None:
    given = {"model.hidden_dim": "auto", "model.dropout": "0.5", "train.batch_size": "12"}
    assert load_settings(flags=given) == replace(
        Settings(), model=ModelSettings(dropout=0.5), train=TrainSettings(batch_size=12)
    )
    assert 'hidden_dim = "auto"' in to_toml(Settings())
    with pytest.raises(ConfigError, match=r"model\.hidden_dim must be a whole number of at least 1 or auto; found 0"):
        load_settings(flags={"model.hidden_dim": "0"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[train]\nbatch_size = "many"\n', "Setting train.batch_size: .*integer.* or 'auto'; found 'many'"),
        ("[train]\nepoch = 3\n", "Unknown setting 'train.epoch'.*Did you mean train.epochs"),
        ("epochs = 3\n", "Did you mean"),
        ('[train]\nepochs = "many"\n', "train.epochs.*'many'"),
        ("[train\n", "Cannot read the settings file"),
        ("[split]\nval_fraction = 0.6\ntest_fraction = 0.6\n", "split.val_fraction and split.test_fraction"),
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
