from cinegrain.report import palette, words


def test_marks_differ_until_the_112th() -> None:
    looks = [(palette.mark(i).colour, palette.mark(i).symbol) for i in range(112)]
    assert len(set(looks)) == 112
    assert looks[0] == (palette.mark(112).colour, palette.mark(112).symbol)


def test_words_grow_stronger_with_the_figure() -> None:
    assert [words.cohesion(v, 5) for v in (0.9, 0.7, 0.55, 0.2)] == [
        "very alike",
        "alike",
        "loosely alike",
        "only faintly alike",
    ]
    assert words.cohesion(1.0, 1) == "a single film"
    assert len({words.stability(v) for v in (1.0, 0.7, 0.5, 0.1)}) == 4
    assert "tentative" in words.stability(0.44)
