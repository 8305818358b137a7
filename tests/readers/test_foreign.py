"""Every format gives the same common form."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cinegrain.errors import CinegrainError, ConfigError, DataError
from cinegrain.readers.choose import open_vectors
from cinegrain.readers.foreign import ForeignVectors

CATALOG = "itemId,title,genres,year,plot\n7,Seven,Crime|Thriller,1995.0,rain\n12,Twelve,sci-fi,,\n99,None,Drama,,\n"
A = np.array([[1, 2, 3], [4, np.nan, 6]], np.float32)
B = np.array([[0.5, 1.5], [2.5, 3.5]], np.float32)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    path.write_text(CATALOG)
    return path


def plain(source: ForeignVectors) -> dict[str, Any]:
    return {
        film.trailer.trailer_id: {
            name: (rows.scenes.tolist(), rows.vectors.tolist()) for name, rows in film.experts.items()
        }
        for film in source.read()
    }


def write_tables(folder: Path) -> list[Path]:
    np.savez(folder / "v.npz", itemId=np.array([12, 7]), a=A, b=B)
    np.savez_compressed(folder / "text.npz", keys=np.array(["12", "7"]), a=A.astype(np.float64), b=B)
    lists = {"itemId": [12, 7], "a": pa.array(A.tolist(), pa.list_(pa.float32())), "b": pa.array(B.tolist())}
    pq.write_table(pa.table(lists), folder / "v.parquet")
    pq.write_table(
        pa.table({"itemId": [12, 7], **{f"a_{i}": A[:, i] for i in range(3)}, **{f"b_{i}": B[:, i] for i in range(2)}}),
        folder / "wide.parquet",
    )
    (folder / "v.csv").write_text("itemId,a_0,a_1,a_2,b_0,b_1,remark\n12,1,2,3,0.5,1.5,x\n7,4,,6,2.5,3.5,\n")
    (folder / "v.tsv").write_text("itemId\ta.2\ta.0\ta.1\tb[0]\tb[1]\n12\t3\t1\t2\t0.5\t1.5\n7\t6\t4\t\t2.5\t3.5\n")
    return [folder / n for n in ("v.npz", "text.npz", "v.parquet", "wide.parquet", "v.csv", "v.tsv")]


def test_every_table_reads_alike(tmp_path: Path, catalog: Path) -> None:
    for path in write_tables(tmp_path):
        source = open_vectors(path, catalog)
        seven = next(t for t in source.trailers if t.trailer_id == "7")
        assert (seven.title, seven.genres, seven.year) == ("Seven", ("Crime", "Thriller"), 1995), path.name
        assert seven.text == {"plot": "rain"}
        for film in source.read():
            i = {"12": 0, "7": 1}[film.trailer.trailer_id]
            assert film.n_scenes == 1
            np.testing.assert_array_equal(film.experts["a"].vectors, A[i : i + 1], err_msg=path.name)
            np.testing.assert_array_equal(film.experts["b"].vectors, B[i : i + 1], err_msg=path.name)
        assert any("1 catalogue rows have no vectors" in note and "99" in note for note in source.notes)


def test_scenes_are_ordered_by_number_and_a_missing_one_stays_missing(tmp_path: Path, catalog: Path) -> None:
    table = {"itemId": [7, 7, 7, 12], "scene": [10, 2, 1, 0], "a": [[1.0], [2.0], None, [3.0]]}
    pq.write_table(pa.table(table), tmp_path / "v.parquet")
    source = open_vectors(tmp_path / "v.parquet", catalog)
    assert plain(source) == {"7": {"a": ([1, 2], [[2.0], [1.0]])}, "12": {"a": ([0], [[3.0]])}}
    assert [film.n_scenes for film in source.read()] == [3, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": A}, "no column of ids"),
        ({"id": np.array([1, 1]), "a": A}, "duplicate ids and no column `scene`: 1"),
        ({"id": np.array([1, 2, 3]), "a": A}, "'a' has 2 rows, but there are 3 ids"),
        ({"id": np.array([7, 12]), "year": np.array([1, 2])}, "has no vectors.*year"),
        ({"id": np.array([100, 200]), "a": A}, "No id of .*'100'.* is in the catalogue"),
        ({"id": np.array([7, 7]), "scene": np.array([1, 1]), "a": A}, "a scene of '7' twice"),
        ({"id": np.array([7, 12]), "a": np.zeros((2, 70_000), np.int8)}, "length 70000"),
    ],
)
def test_unusable_arrays_are_named(tmp_path: Path, catalog: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_vectors(tmp_path / "v.npz", catalog)


def test_bad_usage_is_clear(tmp_path: Path, catalog: Path) -> None:
    np.savez(tmp_path / "v.npz", id=np.array([7, 12]), a=A)
    bad = tmp_path / "bad.csv"
    bad.write_text("name,genres\nx,Drama\n")
    cases: list[tuple[Path, Path | None, str, str]] = [
        (tmp_path / "v.npz", None, "auto", "has no genres"),
        (tmp_path / "none.npz", catalog, "auto", "nothing at"),
        (tmp_path / "v.npz", catalog, "hdf5", "is not a format of vectors"),
        (tmp_path / "v.npz", bad, "auto", "has no id column"),
        (tmp_path / "v.npz", tmp_path / "none.csv", "auto", "no catalogue"),
    ]
    for path, table, form, message in cases:
        with pytest.raises(ConfigError, match=message):
            open_vectors(path, table, form=form)
    for name, content in (("x.parquet", b"PAR1 no"), ("x.csv", b""), ("x.bin", b"?"), ("y.csv", b"id,a_0\n1,2,3\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CinegrainError, match=name):
            open_vectors(tmp_path / name, catalog)


def save_pt(folder: Path, name: str, values: np.ndarray) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(torch.from_numpy(values), folder / name)
    return f"/vol/authors/{name}"


def mmx_stream(folder: Path) -> list[dict[str, Any]]:
    ones = np.ones((1, 4), np.float32)
    movie = {
        "label": (["Action", "ScienceFiction"], 2001),
        "path": "/vol/films/Big.Film.mp4",
        "scenes": {
            "10": {"0": {"test-img-embeddings": 3 * ones}},
            "2": {
                "0": {"test-img-embeddings": save_pt(folder, "a.pt", ones[0]), "audio-embeddings": np.arange(3.0)},
                "1": {"test-img-embeddings": [save_pt(folder, "b.pt", 3 * ones), 5 * ones]},
            },
            "000": {
                "0": {"test-video-embeddings": np.full((1, 2, 1, 1), 9.0), "location-embeddings": "/vol/authors/no.pt"}
            },
        },
    }
    return [
        movie,
        {"path": "/x/two.mp4", "scene": "1", "label": ["Drama", "Sci-Fi"], "data": {"0": [ones, 2 * ones]}},
        {
            "path": "/x/three.mp4",
            "scene": "000",
            "label": ([], "N/A"),
            "data": {"0": {"motion-embeddings": [1.0, 2.0]}},
        },
        {"path": "/x/two.mp4", "scene": "000", "label": ["Drama", "Sci-Fi"], "data": {"0": [7 * ones, None]}},
        {**movie, "scenes": {}},
        {"path": "/y/three.mp4", "scene": 0, "label": (["Telenovela"], 1999), "data": {}},
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_the_authors_pickles(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "mmx.pkl"
    path.write_bytes(b"".join(pickle.dumps(r, protocol=protocol) for r in mmx_stream(tmp_path / "pt")))
    source = open_vectors(path, None, remap={"/vol/authors": str(tmp_path / "pt")})
    assert source.kind == "mmx"
    assert [(t.trailer_id, t.title, t.genres, t.year) for t in source.trailers] == [
        ("Big.Film", "Big.Film", ("Action", "Science Fiction"), 2001),
        ("two", "two", ("Drama", "Science Fiction"), None),
        ("/x/three.mp4", "three", (), None),
        ("/y/three.mp4", "three", ("Telenovela",), 1999),
    ]
    found = plain(source)
    assert found["Big.Film"] == {
        "motion": ([0], [[9.0, 9.0]]),
        "image": ([1, 2], [[3.0] * 4, [3.0] * 4]),  # scene 2 is the mean of 1, 3 and 5
        "audio": ([1], [[0.0, 1.0, 2.0]]),
    }
    assert found["two"] == {"image": ([0, 1], [[7.0] * 4, [1.0] * 4]), "location": ([1], [[2.0] * 4])}
    assert found["/x/three.mp4"] == {"motion": ([0], [[1.0, 2.0]])}
    assert found["/y/three.mp4"] == {}
    assert [film.n_scenes for film in source.read()] == [3, 2, 1, 1]
    notes = "\n".join(source.notes)
    for word in ("without a known genre", "/x/three.mp4", "Telenovela", "duplicate films", "no.pt does not", "--remap"):
        assert word in notes
    assert "Drama" not in notes


def test_records_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    cases = [([1, 2], "expected a record"), ({"a": 1}, "found a dict with"), ({"scenes": {}, "label": 1}, "no path")]
    for value, message in cases:
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(DataError, match=message):
            open_vectors(path, None, form="mmx")
    wrong = [{"path": "a", "scene": s, "data": {"0": {"img-embeddings": np.ones(s + 2)}}} for s in (0, 1)]
    path.write_bytes(b"".join(map(pickle.dumps, wrong)))
    with pytest.raises(DataError, match="length 3; earlier ones have 2"):
        list(open_vectors(path, None, form="mmx").read())


def test_zarr_stores_of_every_layout(tmp_path: Path, catalog: Path) -> None:
    import zarr

    flat = zarr.open_group(str(tmp_path / "clips.zarr"), mode="w")
    flat.create_array("7", data=np.ones((2, 3), np.float32))
    flat.create_array("12", data=np.zeros(3, np.float32))
    grouped = zarr.open_group(str(tmp_path / "grouped.zarr"), mode="w")
    grouped.create_group("clips").create_array("7", data=np.ones((2, 3), np.float32))
    grouped["clips"].create_array("12", data=np.zeros((1, 3), np.float32))
    joint = zarr.open_group(str(tmp_path / "joint.zarr"), mode="w")
    joint.create_array("mid", data=np.array([7, 12]))
    padded = np.stack([np.ones((2, 3)), np.array([[0, 0, 0], [np.nan] * 3])]).astype(np.float32)
    joint.create_array("clips", data=padded)
    wanted = {"7": {"clips": ([0, 1], [[1.0] * 3] * 2)}, "12": {"clips": ([0], [[0.0] * 3])}}
    for name in ("clips", "grouped", "joint"):
        assert plain(open_vectors(tmp_path / f"{name}.zarr", catalog)) == wanted, name


def test_a_zarr_store_that_claims_terabytes(tmp_path: Path, catalog: Path) -> None:
    import zarr

    root = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    root.create_array("7", shape=(1 << 30, 1 << 10), chunks=(8, 1024), dtype="f4")
    with pytest.raises(DataError, match="claims shape"):
        list(open_vectors(tmp_path / "x.zarr", catalog).read())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="not a readable Zarr store"):
        open_vectors(tmp_path / "empty", catalog)


def test_without_zarr_the_error_says_what_to_install(
    tmp_path: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ConfigError, match=r"pip install 'cinegrain\[zarr\]'"):
        open_vectors(tmp_path, catalog)
