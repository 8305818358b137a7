"""Python API of runs: make, open and query them. `cinegrain` exports it.

Heavy modules are imported on use: an exported model predicts without PyTorch.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from cinegrain.config import Settings, load_settings
from cinegrain.embedding import Films, film_text, places_of
from cinegrain.errors import ConfigError, MediaError
from cinegrain.extras import require
from cinegrain.media.remote import source, source_name
from cinegrain.pipeline.answers.predict import Predictor
from cinegrain.pipeline.export.exported import ExportedModel, exported_predictor
from cinegrain.results import Failure, Match, Matches, Prediction
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.terminal import watching
from cinegrain.types import MODALITIES, JsonObject, Source

if TYPE_CHECKING:
    import pyarrow as pa

    from cinegrain.curation import Atlas, SubGenre
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.pipeline.import_vectors import VectorOptions
    from cinegrain.pipeline.stages import RunSummary
    from cinegrain.web.server import Server

log = logging.getLogger(__name__)
_Opener = Callable[[Sequence[Source]], AbstractContextManager[Predictor]]


def fit(
    videos: str | Path | None = None,
    *,
    out: str | Path,
    catalog: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    genre_map: str | Path | None = None,
    vectors: str | Path | None = None,
    vectors_format: str = "auto",
    modality: Mapping[str, str] | None = None,
    remap: Mapping[str, str] | None = None,
    as_given: bool = False,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> "FittedRun":
    """Runs all stages, like `cinegrain run`: embeds films, learns genres, finds sub-genres, writes the report.

    If interrupted, the same call continues; for a finished run it returns in seconds.

    Args:
        videos: Folder of videos, searched recursively, or a URL such as s3://bucket/folder.
        out: Run folder to create or continue.
        catalog: Table of films with the columns file and genres: CSV, TSV, JSON, .xlsx, .ods or Parquet.
        columns: Names of the catalogue's columns, for example {"file": "Datei", "genres": "Genre"}.
        genre_map: Table with the columns from and to, to rename genres.
        vectors: Precomputed vectors instead of videos: .npz, .parquet, .csv, .pkl, or a Zarr folder.
        vectors_format: auto, vectors, mmx or trailers12k.
        modality: Modality of each set of vectors by name, for example {"vggish": "audio"}.
        remap: Path prefixes of tensors in an MMX pickle, old and new.
        as_given: Refuse vectors with missing or too large values instead of repairing them.
        config: TOML file with settings.
        settings: Values by dotted key, for example {"train.epochs": 50}; they override `config`.
        retry_failed: Retry files that failed before.
        progress: Show progress on stderr.

    Returns:
        The run, with a `summary`; its notes are logged as warnings. Films that cannot be read are listed in `failures`.

    Raises:
        ConfigError: If the catalogue or a setting is wrong.
        DataError: If there are too few films for two genres.
        CinegrainError: If the run cannot be finished for another reason, such as a full disk.
    """
    require("cinegrain.fit", "train", "report")
    from cinegrain.pipeline.import_vectors import VectorOptions
    from cinegrain.pipeline.reading import make_reading

    reading = make_reading(columns or {}, _path(genre_map))
    summary = run_all_stages(
        None if videos is None else film_text(videos),
        _path(vectors),
        _path(catalog),
        Path(out),
        load_settings(*([Path(config)] if config else []), flags=settings),
        watching(progress),
        VectorOptions(vectors_format, modality, remap, as_given, reading),
        retry_failed=retry_failed,
    )
    for note in summary.notes:
        log.warning(note)
    return FittedRun(Run.open(summary.folder), summary)


def run_all_stages(
    videos: str | None,
    vectors: Path | None,
    catalog: Path | None,
    out: Path,
    settings: Settings,
    watcher: Watcher,
    options: "VectorOptions",
    *,
    retry_failed: bool,
) -> "RunSummary":
    """Makes a run from videos or from vectors.

    Raises:
        ConfigError: If both or neither are given.
        CinegrainError: If the input cannot be used or the output not written.
    """
    if videos and vectors:
        raise ConfigError("Give a folder of videos or --vectors, not both.")
    if vectors:
        from cinegrain.pipeline.import_vectors import run_vectors

        return run_vectors(vectors, catalog, out, settings, watcher, options)
    if not videos or not catalog:
        raise ConfigError("Give a folder of videos and its --catalog, or --vectors with a --catalog.")
    from cinegrain.pipeline.stages import run_all

    reading = options.reading
    return run_all(source(videos), catalog, out, settings, watcher, retry_failed=retry_failed, reading=reading)


def open_run(folder: str | Path) -> "FittedRun":
    """Opens a finished run.

    Args:
        folder: Folder of `fit` or `cinegrain run`.

    Raises:
        StoreError: If it is not a run, not finished, damaged, or of another version.
    """
    require("cinegrain.open", "train")
    return FittedRun(Run.open(Path(folder)))


class FittedRun:
    """A finished run: films, sub-genres, and predictions for new films.

    Always up to date with edits and new films, also those of other users.

    Attributes:
        folder: The run folder.
        summary: Summary of `fit`; None for a run that was opened.
    """

    def __init__(self, run: Run, summary: "RunSummary | None" = None) -> None:
        """Opens a run; use `cinegrain.open`."""
        from cinegrain.web.explorer import Explorer

        self.folder, self.summary = run.folder, summary
        self._run, self._live = run, Explorer(run)
        self._answers: tuple[str, Answers] | None = None

    @property
    def atlas(self) -> "Atlas":
        """Sub-genres, to read and edit: `run.atlas["S03"].rename("Desert wars", why="...")`."""
        from cinegrain.curation import Atlas

        return Atlas(lambda: self._live.state().atlas)

    @property
    def sub_genres(self) -> "tuple[SubGenre, ...]":
        """Sub-genres, largest first."""
        return tuple(self.atlas)

    @property
    def films(self) -> "pa.Table":
        """One row per film; `films.to_pandas()` needs pandas.

        Columns: `trailer_id`, `title`, `year`, `genres` (the catalogue's), `predicted` (genres by the model),
        `sub_genre_id`, `sub_genre`, `distance` (cosine, to the sub-genre's centre; null for a film that fits nowhere),
        `split` (train, val, test, or arrived after training), `duration_s`, `n_scenes`, `missing` (modalities).
        """
        import pyarrow as pa

        rows = []
        for row in self._live.state().atlas.rows:
            own, predicted = row.sub_genre, [genre.name for genre in row.predicted if genre.decided]
            place = {"sub_genre_id": own.id, "sub_genre": own.name, "distance": own.distance} if own else {}
            rows.append({**vars(row), "genres": row.catalog_genres, "predicted": predicted, "sub_genre": None, **place})
        text, texts = pa.string(), pa.list_(pa.string())
        types = {"trailer_id": text, "title": text, "year": pa.int32(), "genres": texts, "predicted": texts}
        types |= {"sub_genre_id": text, "sub_genre": text, "distance": pa.float64(), "split": text}
        types |= {"duration_s": pa.float64(), "n_scenes": pa.int32(), "missing": texts}
        return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))

    @property
    def failures(self) -> list[Failure]:
        """Films that could not be read, with reasons."""
        from cinegrain.pipeline.extraction.extract import read_failures

        return [Failure(row.path, row.reason) for row in read_failures(self._run.failures)]

    @overload
    def predict(  # type: ignore[overload-overlap]  # a text is one film, not its letters
        self, films: str | Path, *, top_k: int = ..., progress: bool = ...
    ) -> Prediction: ...

    @overload
    def predict(
        self, films: Iterable[str | Path], *, top_k: int = ..., progress: bool = ...
    ) -> Iterator[Prediction | Failure]: ...

    def predict(
        self, films: Films, *, top_k: int = 5, progress: bool = True
    ) -> Prediction | Iterator[Prediction | Failure]:
        """Predicts genres and sub-genres of films, with reasons and similar films.

        Args:
            films: A video file or URL, or the id or title of a film of the run; or several of these, and folders of
                videos.
            top_k: Number of similar films.
            progress: Show progress on stderr.

        Returns:
            The prediction for one film; for several, an iterator of predictions in any order, with a Failure for each
            film that cannot be read.

        Raises:
            MediaError: If a single film cannot be read.
            NotFoundError: If a single film is neither a file nor in the run, or several have the title.
            ConfigError: If it is a file, and the run was made from vectors computed elsewhere.
        """
        from cinegrain.pipeline.answers.predict import is_file, run_predictor

        if isinstance(films, str | Path) and not is_file(source(film_text(films))):
            answers = self._asked()
            return answers.predict(answers.film(film_text(films)), top_k=top_k)

        def opened(places: Sequence[Source]) -> AbstractContextManager[Predictor]:
            return run_predictor(self._run, n_films=sum(map(is_file, places)), top_k=top_k)

        return _predict(opened, films, progress)

    def similar(self, film: str | Path, *, by: str | None = None, top_k: int = 10) -> Matches:
        """The most similar films in the learned embedding.

        Args:
            film: Id or title of a film of the run, or a file or URL.
            by: One modality alone: audio, location, motion or image.
            top_k: Number of films.

        Raises:
            NotFoundError: If there is no such film or file, or several films have the title.
            MediaError: If a file cannot be read.
            StoreError: If the film lacks the modality.
        """
        if by is not None and by not in MODALITIES:
            raise ConfigError(f"{by!r} is not a modality. Use by= with one of {', '.join(MODALITIES)}.")
        from cinegrain.pipeline.answers.similar import similar_films

        atlas = self._live.state().atlas
        found = atlas.names.row_or_file(film_text(film))
        row = found if isinstance(found, int) else None
        encoded = self._asked().new_film(found).encoded if isinstance(found, Path | str) else atlas.encoded[found]
        near = similar_films(atlas, encoded, top_k=top_k, modality=by, row=row)
        return Matches(Match(**vars(film)) for film in near)

    def search(
        self,
        like: Films = (),
        *,
        sounds_like: Films = (),
        looks_like: Films = (),
        moves_like: Films = (),
        set_like: Films = (),
        sub_genre: str | None = None,
        words: str | Sequence[str] = (),
        at_s: float | None = None,
        weights: Mapping[str, float] | None = None,
        scenes: bool = False,
        top_k: int = 10,
        progress: bool = False,
    ) -> Matches:
        """Searches films or scenes by example, modality, sub-genre and words.

        Films are given by id, title, file or URL. All criteria add up.

        Args:
            like: Film or films that are similar overall.
            sounds_like: Similar sound.
            looks_like: Similar images.
            moves_like: Similar motion and editing.
            set_like: Similar locations.
            sub_genre: Similar to this sub-genre, by id or name.
            words: Concepts and catalogue words: one text with commas, or several texts.
            at_s: Compare with the scene of the given films at this time.
            weights: Weights of `like`, `sub_genre` and `words`, for example {"audio": 2, "genres": 1, "words": 0.5};
                all others are 0. Default: 1 per modality, genres 0.5, words 1.
            scenes: Search scenes instead of films.
            top_k: Maximum number of results.
            progress: Show progress on stderr.

        Returns:
            Matches, best first; `notes` lists words without a match.

        Raises:
            ConfigError: If there are no criteria, or a weight is invalid.
            NotFoundError: If a film or sub-genre does not exist.
            MediaError: If a file cannot be read.
        """
        from cinegrain.search.find import search_films, search_scenes
        from cinegrain.search.query import check_query, likes_of, make_query, split_weights

        by_mode, word_weight = split_weights(weights or {})
        wanted = likes_of(
            _texts(like),
            sounds_like=_texts(sounds_like),
            looks_like=_texts(looks_like),
            moves_like=_texts(moves_like),
            set_like=_texts(set_like),
            subgenre=sub_genre,
            weights=by_mode,
            at_s=at_s,
        )
        asked = [word.strip() for word in (words.split(",") if isinstance(words, str) else words) if word.strip()]
        check_query(wanted, asked)
        library = self._live.library()
        query = make_query(library, wanted, words=asked, word_weight=word_weight)
        if scenes:
            return search_scenes(library, query, watching(progress), top_k=top_k)
        return search_films(library, query, top_k=top_k)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0, open_browser: bool = False) -> "Server":
        """Serves the explorer in a thread of this process.

        Args:
            host: Address to listen on; for other machines the URL contains a token, which visitors need.
            port: Port; 0 for any free one.
            open_browser: Open it in a browser.

        Returns:
            An object with `url` and `stop()`, which is also a context manager.

        Raises:
            ConfigError: If the address is not available.
        """
        require("FittedRun.serve", "web")
        from cinegrain.web.server import Server
        from cinegrain.web.uploads import Limits

        server = Server(self._run, host=host, port=port, limits=Limits())
        if open_browser:
            import webbrowser

            webbrowser.open(server.url)
        return server

    def export(self, folder: str | Path, *, progress: bool = False) -> "Model":
        """Exports the genre model for use without PyTorch, and opens it.

        Raises:
            StoreError: If the folder has other content, or cannot be written.
        """
        require("FittedRun.export", "report")
        from cinegrain.pipeline.export.folder import export_model

        export_model(self._run, Path(folder), watching(progress))
        return Model(Path(folder))

    def to_dict(self) -> JsonObject:
        """Main figures: `genres`, `subgenres`, `test_map` with its interval, `report` and so on."""
        from cinegrain.pipeline.stages import headline

        return asdict(headline(self._run))

    def __repr__(self) -> str:
        atlas = self._live.state().atlas
        return f"<run {self.folder}: {len(atlas.trailer_ids)} films, {len(atlas.cards)} sub-genres>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.atlas._repr_html_()}"

    def _asked(self) -> "Answers":
        """Models, loaded once per state of the atlas."""
        from cinegrain.pipeline.answers.answer import Answers

        stamp = self._live.state().stamp
        if self._answers is None or self._answers[0] != stamp:
            self._answers = stamp, Answers(self._run)
        return self._answers[1]


class Model:
    """An exported genre model; it needs no PyTorch.

    Attributes:
        folder: The folder.
        genres: Names, length g.
        experts: Experts whose vectors it needs.
    """

    def __init__(self, folder: Path) -> None:
        """Opens a model; use `load_model`."""
        opened = ExportedModel(folder)
        self.folder, self.genres, self.experts = folder, opened.genres, opened.experts

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, films: str | Path, *, progress: bool = ...
    ) -> Prediction: ...

    @overload
    def predict(self, films: Iterable[str | Path], *, progress: bool = ...) -> Iterator[Prediction | Failure]: ...

    def predict(self, films: Films, *, progress: bool = True) -> Prediction | Iterator[Prediction | Failure]:
        """Predicts genres of films with reasons, like `FittedRun.predict`, but without sub-genres and similar films."""
        return _predict(lambda places: exported_predictor(self.folder, n_films=len(places)), films, progress)

    def __repr__(self) -> str:
        return f"<model {self.folder}: {', '.join(self.genres)}>"


def load_model(folder: str | Path) -> Model:
    """Opens a model of `FittedRun.export` or `cinegrain export`.

    Raises:
        StoreError: If it is not an exported model, or is damaged.
    """
    return Model(Path(folder))


def _predict(opened: _Opener, films: Films, progress: bool) -> Prediction | Iterator[Prediction | Failure]:
    if isinstance(films, str | Path):
        place = source(film_text(films))
        with opened([place]) as predictor, watching(progress).stage("Embedding films") as on_step:
            found = predictor.one(place)
            on_step(1, 1, source_name(place))
        if isinstance(found, Failure):
            raise MediaError(found.reason)
        return found
    places = places_of(films)

    def each() -> Iterator[Prediction | Failure]:
        with opened(places) as predictor, watching(progress).stage("Embedding films") as on_step:
            for done, found in enumerate(predictor.each(places), start=1):
                on_step(done, len(places), source_name(source(found.path)))
                yield found

    return each()


def _path(place: str | Path | None) -> Path | None:
    return None if place is None else Path(place)


def _texts(films: Films) -> list[str]:
    return [film_text(film) for film in ([films] if isinstance(films, str | Path) else films)]
