"""Names that a person would accept."""

import csv
import itertools

import pytest

from cinegrain.atlas.cards import Parent, main_genre, name_key, unique_name
from cinegrain.experts.class_names import imagenet_words
from cinegrain.experts.weights import fetch
from cinegrain.experts.yamnet import CLASS_MAP
from cinegrain.naming.plain_words import _lines, head, plain_word, plain_words, stems
from cinegrain.naming.terms import Term, label_words
from cinegrain.naming.trailer_words import term_counts
from cinegrain.types import Trailer
from cinegrain.urls import cache_folder


def terms(*words: str) -> list[Term]:
    return [Term(word, f"mode {i}", 1.0 - i / 100, 1.0) for i, word in enumerate(words)]


WAR, COMEDY = [Parent("War", 0.9), Parent("Drama", 0.5)], [Parent("Comedy", 0.4), Parent("Romance", 0.375)]


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (("music", "sad music", "desert"), ("music", "desert")),
        (("sad music", "scary music", "desert"), ("sad music", "desert")),
        (("gun", "guns", "desert"), ("gun", "desert")),
        (("church", "churches", "old church"), ("church",)),
        (("wars", "civil war", "gunfire"), ("gunfire",)),
        (("bus", "buses", "houses", "house", "glass", "glasses"), ("bus", "houses", "glass")),
    ],
)
def test_a_label_says_each_thing_once_and_not_its_genre(words: tuple[str, ...], label: tuple[str, ...]) -> None:
    assert label_words(terms(*words), genre="War") == label


def test_sub_genres_of_one_genre_have_different_labels_whatever_their_words() -> None:
    words = ["gunfire", "desert", "helicopter", "smoke", "tank"]
    taken: set[str] = set()
    for order in itertools.islice(itertools.permutations(words), 40):
        name = unique_name(WAR, terms(*order), taken)
        assert name.startswith("War")
        assert name_key(name) not in taken
        taken.add(name_key(name))
    assert len(taken) == 40
    assert unique_name(WAR, [], set()) == "War"
    assert unique_name(WAR, [], {"war"}) == "War (2)"


def test_the_genre_of_a_mixed_group() -> None:
    assert main_genre(WAR) == "War"
    assert main_genre(COMEDY) == "Comedy & Romance"
    assert main_genre([Parent("War", 0.4), Parent("Drama", 0.2)]) == main_genre([]) == "Mixed"


def test_every_plain_word_stands_for_words_that_the_classifiers_have() -> None:
    with fetch(CLASS_MAP, cache_folder()).open(encoding="utf-8", newline="") as file:
        lists = {"audio": {row["display_name"] for row in csv.DictReader(file)}}
    lists["picture"] = set(imagenet_words(cache_folder()))
    section, seen = "", set[tuple[str, str]]()
    for line in _lines():
        if line.startswith("["):
            section = line.strip("[]")
            continue
        for word in line.partition(":")[2].split("|"):
            assert word.strip() in lists[section], f"{word!r} is no word of {section}"
            assert (section, word.strip()) not in seen, f"{word!r} stands twice"
            seen.add((section, word.strip()))
    for word in lists["audio"]:
        assert "," not in plain_word("audio", word), "a list of words joined by commas must read as one"
        assert "(" not in plain_word("audio", word)


def test_noise_names_nothing_and_near_synonyms_join() -> None:
    heard = {"Machine gun": 0.25, "Gunshot, gunfire": 0.5, "Sine wave": 1.0, "Christmas music": 0.125}
    assert plain_words("audio", heard) == {"gunfire": 0.5, "Christmas music": 0.125}
    assert plain_words("image", {"web site": 0.5, "book jacket": 0.75, "Rottweiler": 0.5}) == {
        "title cards": 0.75,
        "dogs": 0.5,
    }
    assert plain_words("text", {"web site": 0.5}) == {"web site": 0.5}, "a catalogue's own words stay"


def test_catalogue_text_is_read_alike_in_every_locale() -> None:
    texts = ["İSTANBUL'da kırmızı bir KO\u0308Y", "istanbul köy", "Istanbul", "kirmizi"]
    films = [Trailer(str(i), path=None, title="", text={"plot": text}) for i, text in enumerate(texts)]  # type: ignore[arg-type]
    counts = term_counts(films, {}, "plot")
    assert set(counts.words) == {"istanbul", "köy"}
    assert (counts.scores[:, counts.words.index("istanbul")] > 0).tolist() == [True, True, True, False]


def test_stems_and_heads() -> None:
    assert stems("Old churches") == {"old", "church"}
    assert stems("glass") == {"glass"}
    assert head("inside a small room") == "room"
    assert head("") == ""
