"""Files whose sha256 is published only in part or not at all, and the user's own folder."""

import hashlib
import io
import logging
from pathlib import Path

import pytest

from cinegrain.errors import WeightsError
from cinegrain.experts import weights
from cinegrain.experts.registry import PRESETS, expert_cards
from cinegrain.experts.weights import WeightFile, content_key, fetch, is_cached

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SOURCE = "https://example.org/models/net-1.pth"


class Answer(io.BytesIO):
    """An http answer; `length` is what it still owes, as in http.client."""

    def __init__(self, content: bytes, *, url: str = SOURCE, length: int | None = 0) -> None:
        super().__init__(content)
        self.url = url
        self.length = length


def serve(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[str]:
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> Answer:
        asked.append(url)
        return answer

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def left_behind(cache: Path) -> list[str]:
    return [p.name for p in (cache / "weights").glob("*")] if (cache / "weights").exists() else []


@pytest.mark.parametrize("known", [DIGEST[:8], ""])
def test_a_download_is_kept_under_its_own_hash_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    asked = serve(monkeypatch, Answer(CONTENT))
    file = WeightFile(SOURCE, known, 10_000, "test")
    assert not file.is_pinned
    assert not is_cached(file, tmp_path)
    path = fetch(file, tmp_path)
    assert path.name == f"{DIGEST[:12]}-net-1.pth"
    assert path.read_bytes() == CONTENT
    assert is_cached(file, tmp_path)
    assert fetch(file, tmp_path) == path
    assert len(asked) == 1
    assert content_key(path, tmp_path) == DIGEST[:12]
    other = WeightFile(SOURCE, "ab" * 4, 10_000, "test")
    assert is_cached(other, tmp_path) == DIGEST.startswith("ab" * 4)


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (Answer(CONTENT), "00000000"),
        (Answer(CONTENT * 2), DIGEST[:8]),
        (Answer(CONTENT * 2), ""),
        (Answer(CONTENT[:100], length=6_900), ""),
        (Answer(b""), ""),
    ],
    ids=["digits differ", "too large", "too large, unknown", "cut short", "empty"],
)
def test_a_wrong_download_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, known: str
) -> None:
    serve(monkeypatch, answer)
    with pytest.raises(WeightsError, match=r"not the expected file.*put net-1\.pth into a folder"):
        fetch(WeightFile(SOURCE, known, 10_000, "test"), tmp_path)
    assert left_behind(tmp_path) == []


def test_a_redirect_to_plain_http_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, Answer(CONTENT, url="http://example.org/models/net-1.pth"))
    with pytest.raises(WeightsError, match="which is not encrypted"):
        fetch(WeightFile(SOURCE, "", 10_000, "test"), tmp_path)
    assert left_behind(tmp_path) == []


def test_no_connection_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(url: str, timeout: float) -> Answer:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    with pytest.raises(WeightsError, match=r"no route to host.*put net-1\.pth into a folder and set CINEGRAIN_WEIGHTS"):
        fetch(WeightFile(SOURCE, "", 10_000, "test"), tmp_path)
    assert left_behind(tmp_path) == []


def test_the_users_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    asked = serve(monkeypatch, Answer(CONTENT))
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(own))
    (own / "net-1.pth").write_bytes(b"my own")
    key = hashlib.sha256(b"my own").hexdigest()
    with caplog.at_level(logging.WARNING):
        for known in ("", key[:8]):
            file = WeightFile(SOURCE, known, 3, "test")
            assert fetch(file, tmp_path) == own / "net-1.pth"
            assert is_cached(file, tmp_path)
    assert not caplog.records
    assert fetch(WeightFile(SOURCE, "00000000", 10_000, "test"), tmp_path) == own / "net-1.pth"
    assert "not the published file" in caplog.text
    assert content_key(own / "net-1.pth", tmp_path) == key[:12]
    assert asked == []


def test_a_fully_known_file_must_match_in_the_users_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WeightFile(SOURCE, DIGEST, len(CONTENT), "test")
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path))
    (tmp_path / "net-1.pth").write_bytes(CONTENT)
    assert fetch(file, tmp_path / "cache") == tmp_path / "net-1.pth"
    (tmp_path / "net-1.pth").write_bytes(CONTENT[:-1] + b"y")
    with pytest.raises(WeightsError, match="is not the expected file"):
        fetch(file, tmp_path / "cache")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="which is not a folder"):
        fetch(WeightFile(SOURCE, "", 10_000, "test"), tmp_path)


def test_light_weights_are_known_to_the_last_digit() -> None:
    cards = expert_cards()
    assert all(file.is_pinned for name in PRESETS["light"] for file in cards[name].weights)
    for card in cards.values():
        for file in card.weights:
            assert set(file.sha256) <= set("0123456789abcdef")
            assert file.is_pinned or weights._https_address(file.source).startswith("https://")
