"""What people do in the explorer, from the start to a corrected atlas, and what its pages say against its API."""

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from tests.media.conftest import texture, tone, write_film
from tests.pipeline.growing_run import NEW, assign_stored, growing_run
from tests.web.conftest import Serve, Visit

pytestmark = [pytest.mark.timeout(600)]
Visits = Callable[..., Visit]
SVG = "{http://www.w3.org/2000/svg}"


# What real films might show otherwise; all other stories are told of the demo alone.
ON_REAL_FILMS = (
    "test_the_map_shows_every_film_and_says_how_many",
    "test_the_page_of_a_film_plays_seeks_and_gives_reasons",
    "test_search_by_a_film_by_what_counts_and_by_words",
    "test_compare_films_subgenres_and_genres",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs that a story is told of."""
    if "base" in metafunc.fixturenames:
        real = [pytest.param("clips_run", marks=pytest.mark.shared_data)]
        runs = ["demo", *(real if metafunc.definition.name in ON_REAL_FILMS else [])]
        metafunc.parametrize("base", runs, indirect=True, scope="module")


@pytest.fixture(scope="module")
def base(request: pytest.FixtureRequest, serve: Serve) -> str:
    """Address of a server of a run."""
    return serve(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def new_film(demo: Path) -> bytes:
    """A film of the demo, but another file: one more empty box."""
    return min((demo / "corpus").rglob("*.mp4")).read_bytes() + b"\x00\x00\x00\x08free"


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film that takes some seconds to be sent and to be looked at: two megabytes, a minute."""
    shots = [np.roll(texture(i // 50, 480, 270), 7 * i, axis=1) for i in range(25 * 60)]
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    options = {"preset": "ultrafast", "b": "300k", "crf": "40"}
    return write_film(path, shots, sound=tone(440, 60), options=options).read_bytes()


@pytest.fixture
def one(base: str, visit: Visits) -> Visit:
    """A visitor with a window of their own."""
    return visit(base, accept_downloads=True)


def drawn(page: Page) -> Locator:
    """The map, once it is drawn."""
    holder = page.locator("[data-drawn]").last
    holder.wait_for()
    return holder


def dots(page: Page) -> dict[str, tuple[float, float]]:
    """Where each film is on the screen, by its title, from the picture that the page itself gives."""
    box = drawn(page).bounding_box()
    assert box is not None
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    root = ET.fromstring(Path(download.value.path()).read_text())
    found = {}
    for circle in root.iter(f"{SVG}circle"):
        title = circle.find(f"{SVG}title")
        if title is not None and title.text:
            found[title.text] = (box["x"] + float(circle.attrib["cx"]), box["y"] + float(circle.attrib["cy"]))
    return found


def lonely(places: dict[str, tuple[float, float]]) -> str:
    """The film that is farthest from any other: no neighbour is hit in its place."""

    def room(title: str) -> float:
        x, y = places[title]
        return min((x - a) ** 2 + (y - b) ** 2 for other, (a, b) in places.items() if other != title)

    return max(places, key=room)


def test_the_map_shows_every_film_and_says_how_many(one: Visit) -> None:
    page, run = one.go(""), one.api("/run")
    expect(drawn(page)).to_have_attribute("data-drawn", str(run["n_films"]))
    expect(page.get_by_role("complementary")).to_contain_text(f"{run['n_films']} films")
    assert len(dots(page)) == len(set(one.api("/points")["title"]))
    for option in page.get_by_label("Colour by").locator("option").evaluate_all("all => all.map((o) => o.value)"):
        page.get_by_label("Colour by").select_option(option)
        counts = page.locator(".legend .soft")
        expect(counts.first).to_be_visible()
        page.wait_for_function(
            "n => [...document.querySelectorAll('.legend .soft')].reduce((a, c) => a + +c.textContent, 0) === n",
            arg=run["n_films"],
        )
    one.shot("map")


def test_a_film_under_the_pointer_shows_itself_and_opens(one: Visit) -> None:
    page = one.go("")
    places = dots(page)
    title = lonely(places)
    page.mouse.move(*places[title])
    expect(page.get_by_test_id("tip")).to_contain_text(title)
    picture = page.get_by_test_id("tip").locator("img")
    page.wait_for_function("img => img.complete && img.naturalWidth > 0", arg=picture.element_handle())
    one.shot("hover")
    page.mouse.click(*places[title])
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_a_lasso_lists_the_films_inside_and_stays_in_the_address(one: Visit, base: str, visit: Visits) -> None:
    page = one.go("")
    places = dots(page)
    x, y = places[lonely(places)]
    box = drawn(page).bounding_box()
    assert box is not None
    half = 130
    left, right = max(x - half, box["x"] + 4), min(x + half, box["x"] + box["width"] - 4)
    top, low = max(y - half, box["y"] + 4), min(y + half, box["y"] + box["height"] - 4)
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, low), (left, low), (left, top + 3)):
        page.mouse.move(*corner, steps=12)
    page.mouse.up()
    # Films on the line itself may fall to either side.
    inner = {t for t, (a, b) in places.items() if left + 4 < a < right - 4 and top + 4 < b < low - 4}
    outer = {t for t, (a, b) in places.items() if left - 4 < a < right + 4 and top - 4 < b < low + 4}
    expect(page.get_by_role("complementary")).to_contain_text("inside the lasso")
    listed = set(page.get_by_test_id("films").locator("a").all_text_contents())
    assert inner <= listed <= outer
    one.shot("lasso")
    shared = visit(base)
    shared.go(page.url.removeprefix(f"{base}/"))
    expect(shared.page.get_by_role("complementary")).to_contain_text("inside the lasso")
    assert set(shared.page.get_by_test_id("films").locator("a").all_text_contents()) == listed
    page.get_by_role("button", name="Clear the lasso").click()
    expect(page.get_by_role("complementary")).not_to_contain_text("inside the lasso")


def test_every_view_follows_the_filter(one: Visit) -> None:
    page, run = one.go(""), one.api("/run")
    genre = max(run["genres"], key=lambda g: g["n_films"])["name"]
    wanted = one.api("/points", genre=genre)
    page.get_by_text("Genres", exact=True).click()
    page.get_by_role("checkbox", name=genre, exact=False).first.check()
    aside = page.get_by_role("complementary")
    expect(aside).to_contain_text(f"{wanted['n_wanted']} films of {run['n_films']}")
    assert set(page.get_by_test_id("films").locator("a").all_text_contents()) == set(wanted["title"])
    one.shot("filter")
    page.reload()
    expect(aside).to_contain_text(f"{wanted['n_wanted']} films of {run['n_films']}")
    page.get_by_role("navigation").get_by_role("link", name="Sub-genres").click()
    expect(page.get_by_test_id("cards").locator("li")).to_have_count(len({i for i in wanted["subgenre"] if i >= 0}))
    page.get_by_role("button", name="All films").click()
    expect(page.get_by_test_id("cards").locator("li")).to_have_count(len(run["subgenres"]))
    page.get_by_placeholder("Title or text").fill("no film is called like this")
    expect(page.get_by_text("No sub-genre has a film that matches this filter.")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Map").click()
    expect(page.get_by_text("No films match this filter.", exact=False)).to_be_visible()


def test_a_map_on_its_way_is_sent_elsewhere_and_arrives(one: Visit) -> None:
    page = one.go("")
    drawn(page)
    for first, then in (("+", "Before"), ("Whole map", "After")):
        page.evaluate(
            """async (names) => {
              for (const name of names) {
                [...document.querySelectorAll("button")].find((button) => button.innerText === name).click();
                await new Promise((later) => setTimeout(later, 20));
              }
            }""",
            [first, then],
        )
        page.wait_for_timeout(1200)  # the passage
    for i in range(3):  # a map that becomes narrower zooms too, whatever it is about to draw
        for name in ("Before", "Both", "After", "Both"):
            page.get_by_role("button", name=name, exact=True).click()
            page.wait_for_timeout(150 * (1 + i))
    page.get_by_role("button", name="After", exact=True).click()
    page.wait_for_timeout(1200)  # the passage
    after = dots(page)
    page.reload()
    drawn(page)
    page.wait_for_timeout(300)
    for title, place in dots(page).items():
        assert after[title] == pytest.approx(place, abs=1)


def test_before_and_after_fine_tuning_stand_side_by_side(one: Visit) -> None:
    page = one.go("")
    n = drawn(page).get_attribute("data-drawn")
    after = dots(page)
    page.get_by_role("button", name="Before", exact=True).click()
    expect(page.locator("figcaption")).to_have_text("Before: the genre model")
    page.wait_for_timeout(1200)  # the passage
    moved = [title for title, place in dots(page).items() if title in after and place != after[title]]
    assert len(moved) > len(after) / 2
    page.get_by_role("button", name="Both", exact=True).click()
    expect(page.locator("[data-drawn]")).to_have_count(2)
    assert page.locator("[data-drawn]").evaluate_all("all => all.map((one) => one.dataset.drawn)") == [n, n]
    one.shot("both")


def test_the_page_of_a_film_plays_seeks_and_gives_reasons(one: Visit) -> None:
    id_ = playable(one)
    film, scenes = one.api("/film", id=id_), one.api("/film/timeline", id=id_)
    page = one.go(f"#/film?id={id_}")
    expect(page.get_by_role("heading", level=1)).to_have_text(film["title"])
    rows = page.locator(".line tbody tr")
    expect(rows).to_have_count(len(scenes))
    expect(page.locator("path.wave")).to_have_count(1)
    player = page.get_by_test_id("player")
    page.wait_for_function("video => video.readyState > 0", arg=player.element_handle())
    rows.nth(1).get_by_role("button").click()
    page.wait_for_function(
        "([video, at]) => video.currentTime > at + 0.3 && !video.paused",
        arg=[player.element_handle(), scenes[1]["start_s"]],
    )
    expect(rows.nth(1)).to_have_class(re.compile("on"))
    one.shot("film")
    player.evaluate("video => video.pause()")
    best = film["predicted"][0]
    assert page.locator(".side summary .what").first.text_content() == best["name"]
    bars = page.get_by_label(f"Influence of each modality on {best['name']}").locator(".n").all_text_contents()
    assert [float(bar.replace("−", "-")) for bar in bars] == pytest.approx(list(best["influence"].values()), abs=0.0051)
    expect(page.locator(".side")).to_contain_text(film["subgenre"]["name"])
    expect(page.locator(".side")).to_contain_text(film["runner_up"]["name"])


def test_similar_films_by_all_and_by_one_mode_and_why(one: Visit) -> None:
    id_ = playable(one)
    page = one.go(f"#/film?id={id_}")
    names = page.get_by_test_id("similar").locator("li > div > a:first-child")
    expect(names).to_have_text([near["title"] for near in one.api("/film/similar", id=id_)])
    page.get_by_label("Similar by").select_option("audio")
    by_sound = [near["title"] for near in one.api("/film/similar", id=id_, mode="audio")]
    expect(names).to_have_text(by_sound)
    page.get_by_role("button", name="Why these two?").first.click()
    why = one.api("/pair", a=id_, b=one.api("/film/similar", id=id_, mode="audio")[0]["trailer_id"])
    expect(page.get_by_test_id("why")).to_be_visible()
    said = page.get_by_test_id("why").locator(".n").all_text_contents()
    assert [float(part.replace("−", "-")) for part in said] == pytest.approx(list(why["modes"].values()), abs=0.0051)
    assert sum(why["modes"].values()) == pytest.approx(why["score"], abs=1e-6)
    page.get_by_test_id("similar").get_by_role("link", name="Compare").first.click()
    expect(page.get_by_test_id("compared")).to_be_visible()


def test_search_by_a_film_by_what_counts_and_by_words(one: Visit) -> None:
    page, run = one.go("#/search"), one.api("/run")
    expect(page.get_by_text("Choose a film or a sub-genre")).to_be_visible()
    id_ = playable(one)
    title = one.api("/film", id=id_)["title"]
    found = page.get_by_test_id("found").locator("li")
    page.get_by_test_id("like").fill(f"{title} · {id_}")
    expect(page.get_by_test_id("like")).to_have_value(title)
    usual = {**dict.fromkeys(run["modes"], 1.0), "genres": 0.5}

    def shows(**asked: object) -> None:
        answer = httpx.post(f"{one.base}/api/v1/search", json={"top_k": 24, **asked}).json()["films"]
        expect(found.locator(".title")).to_have_text([film["title"] for film in answer])
        assert all(film["trailer_id"] != asked.get("film") for film in answer)

    shows(film=id_, weights=usual)
    one.shot("search")
    page.get_by_role("button", name="only audio").click()
    shows(film=id_, weights={"audio": 1.0})
    page.reload()  # all of it is in the address
    expect(page.get_by_test_id("like")).to_have_value(title)
    shows(film=id_, weights={"audio": 1.0})
    page.get_by_role("slider", name="audio").fill("0")
    expect(page.get_by_text("All weights are 0")).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    word = run["genres"][0]["name"]
    page.get_by_test_id("words").fill(f"{word}, notthere")
    page.get_by_test_id("words").press("Enter")
    shows(film=id_, weights=usual, words=[word, "notthere"])
    expect(page.get_by_text("No film matches 'notthere'")).to_be_visible()
    expect(page.get_by_test_id("found")).to_contain_text(f"{word} (catalogue)")
    page.get_by_test_id("like").fill("")
    page.get_by_test_id("of").select_option(run["subgenres"][0]["id"])
    shows(subgenre=run["subgenres"][0]["id"], weights=usual, words=[word, "notthere"])


def test_compare_films_subgenres_and_genres(one: Visit) -> None:
    page, run = one.go("#/compare"), one.api("/run")
    films = one.api("/points")
    pairs = {
        "two films": films["id"][:2],
        "two sub-genres": [card["id"] for card in run["subgenres"][:2]],
        "two genres": [genre["name"] for genre in run["genres"][:2]],
    }
    for kind, (a, b) in pairs.items():
        page.get_by_role("button", name=kind).click()
        for field, value in (("choose-a", a), ("choose-b", b)):
            if kind == "two films":
                box, title = page.get_by_test_id(field), films["title"][films["id"].index(value)]
                if field == "choose-a":  # the other is pasted whole, before anything was offered
                    box.fill(title[:6])
                    offered = page.locator(f"datalist#{box.get_attribute('list')}")
                    expect(offered.locator(f"option[value$='· {value}']")).to_be_attached()
                box.fill(f"{title} · {value}")
                expect(box).to_have_value(title)
            else:
                page.get_by_test_id(field).select_option(value)
        expect(page.get_by_test_id("compared")).to_be_visible()
        expect(page.locator(".two > section")).to_have_count(2)
    in_both = sum({0, 1} <= set(genres) for genres in films["genres"])
    expect(page.get_by_test_id("compared")).to_contain_text(f"{in_both} film")
    one.shot("compare")


def test_pictures_and_tables_can_be_taken_away(one: Visit) -> None:
    page, run = one.go(""), one.api("/run")
    drawn(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    with Image.open(download.value.path()) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 20
    page.get_by_role("navigation").get_by_role("link", name="History").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    assert Path(download.value.path()).read_text().count("\n") > run["n_films"]


def test_figures_say_what_was_measured(one: Visit) -> None:
    page, run = one.go("#/figures"), one.api("/run")
    expect(page.get_by_role("heading", name="Training")).to_be_visible()
    assert page.locator("svg polyline").count() >= 4
    table = page.locator("table").first
    expect(table.locator("tbody tr")).to_have_count(len(run["genres"]))
    one.shot("figures")
    if "ablation" in run["pages"]:
        best = one.api("/figures")["ablation"]["subsets"][0]
        first = page.get_by_test_id("ablation").locator("tbody tr").first
        expect(first.locator("th")).to_have_text(" + ".join(best["modes"]))
        expect(first.locator("td").first).to_contain_text(f"{best['map']:.2f}")
    else:
        expect(page.get_by_text("cinegrain ablate RUN")).to_be_visible()
    report = httpx.get(one.base + (page.get_by_role("link", name="The report").get_attribute("href") or ""))
    assert report.status_code == 200
    assert "sandbox" in report.headers["content-security-policy"]


def test_an_unknown_film_is_a_sentence_and_not_an_empty_page(one: Visit) -> None:
    page = one.go("#/film?id=nobody")
    expect(page.get_by_role("alert").first).to_contain_text("There is no film 'nobody'")
    one.troubles = [trouble for trouble in one.troubles if "404" not in trouble]  # the browser reports it, rightly


def test_a_subgenre_is_renamed_merged_split_moved_locked_and_all_of_it_undone(one: Visit) -> None:
    page, run = one.go("#/subgenres"), one.api("/run")
    before = {card["id"]: (card["name"], card["size"]) for card in run["subgenres"]}
    first, second = (card["id"] for card in sorted(run["subgenres"], key=lambda card: -card["size"])[:2])
    page.get_by_test_id("cards").get_by_role("link", name=before[first][0], exact=True).click()
    exemplar = page.locator(".exemplars a").first
    exemplar.hover()
    page.wait_for_function("video => video && video.currentTime > 0", arg=exemplar.locator("video").element_handle())
    page.mouse.move(0, 0)

    page.get_by_text("Correct this sub-genre").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Your name").press("Tab")
    page.get_by_label("Why (kept in the history)").fill("a better name")
    page.get_by_label("Name", exact=True).fill("Woods & <b>fog</b>")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Woods & <b>fog</b>")
    one.shot("renamed")
    assert one.api("/subgenre", id=first)["name"] == "Woods & <b>fog</b>"
    assert one.api("/history")[0]["by"] == "Ada"
    assert one.api("/history")[0]["why"] == "a better name"

    page.get_by_label("Merge with").select_option(second)
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_test_id("members").locator("tbody tr")).to_have_count(before[first][1] + before[second][1])

    page.get_by_test_id("members").get_by_role("checkbox").last.check()
    page.get_by_label("Name of the new sub-genre").fill("One of its own")
    page.get_by_role("button", name="Split 1 film off").click()
    expect(page.get_by_test_id("members").locator("tbody tr")).to_have_count(before[first][1] + before[second][1] - 1)
    page.get_by_test_id("members").get_by_role("checkbox").last.check()
    page.get_by_label("Move 1 film to").select_option(label="One of its own")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_test_id("members").locator("tbody tr")).to_have_count(before[first][1] + before[second][1] - 2)

    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("button", name="Unlock")).to_be_visible()
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("button", name="Rename")).to_be_visible()

    page.get_by_role("navigation").get_by_role("link", name="History").click()
    one.shot("history")
    undone = [entry["id"] for entry in one.api("/history") if entry["operation"]["do"] not in ("undo", "lock")]
    assert len(undone) == 4
    for id_ in undone:
        entries = page.get_by_test_id("entries").locator("li")
        entries.filter(has=page.get_by_text(id_, exact=True)).get_by_role("button", name="Undo").click()
        expect(page.locator(".done")).to_contain_text(f"undoes {id_}")
    after = {card["id"]: (card["name"], card["size"]) for card in one.api("/run")["subgenres"]}
    assert after == before


def test_two_editors_lose_nothing(base: str, visit: Visits) -> None:
    ada, ben = visit(base), visit(base)
    subgenre = ada.api("/run")["subgenres"][-1]
    for editor in (ada, ben):
        page = editor.go(f"#/subgenre?id={subgenre['id']}")
        page.get_by_text("Correct this sub-genre").click()
    ada.page.get_by_label("Name", exact=True).fill("Ada was here")
    ada.page.get_by_role("button", name="Rename").click()
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Ada was here")
    ben.page.get_by_label("Name", exact=True).fill("Ben was here")
    ben.page.get_by_role("button", name="Rename").click()
    expect(ben.page.locator(".problem")).to_contain_text("The atlas has been edited since")
    expect(ben.page.locator(".problem")).to_contain_text("Your edit was not made")
    expect(ben.page.get_by_role("heading", level=1)).to_have_text("Ada was here")
    ben.shot("conflict")
    ben.troubles = [trouble for trouble in ben.troubles if "409" not in trouble]
    ben.page.get_by_label("Name", exact=True).fill("Ben was here")
    ben.page.get_by_role("button", name="Rename").click()
    expect(ben.page.get_by_role("heading", level=1)).to_have_text("Ben was here")
    names = [entry["said"] for entry in ben.api("/history")[:2]]
    assert "Ben was here" in names[0]
    assert "Ada was here" in names[1]


def test_a_film_is_brought_answered_and_joins_the_atlas(one: Visit, new_film: bytes) -> None:
    page, n = one.go("#/add"), one.api("/run")["n_films"]
    page.locator("input[type=file]").set_input_files(
        {"name": "a new film.mp4", "mimeType": "video/mp4", "buffer": new_film}
    )
    section = page.get_by_test_id("upload-page")
    expect(section.get_by_text("Genres and reasons")).to_be_visible(timeout=120_000)
    upload = one.api("/uploads")[0]
    assert section.locator("summary .what").first.text_content() == upload["answer"]["genres"][0]["name"]
    expect(section.locator(".line tbody tr")).to_have_count(len(upload["answer"]["timeline"]))
    page.wait_for_function("v => v.readyState > 0", arg=section.locator("video").element_handle())
    one.shot("upload")
    section.get_by_role("button", name="Join the atlas").click()
    section.get_by_role("link", name="In the atlas: open page").click(timeout=120_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("a new film")
    assert one.api("/run")["n_films"] == n + 1
    page.get_by_role("navigation").get_by_role("link", name="Map").click()
    expect(drawn(page)).to_have_attribute("data-drawn", str(n + 1))


DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type: "video/mp4" }));
  document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


def test_a_film_that_is_dropped_can_be_cancelled_and_rubbish_is_refused_in_words(one: Visit, long_film: bytes) -> None:
    page = one.go("#/add")
    drop(page, "dropped.mp4", long_film)
    row = page.get_by_test_id("uploads").locator("li", has_text="dropped.mp4")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".tag")).to_have_text("cancelled")
    expect(page.get_by_role("alert")).to_have_count(0)
    drop(page, "notes.mp4", b"These are words and no film.")
    expect(page.get_by_role("alert")).to_contain_text("This is not a video")
    one.troubles = [trouble for trouble in one.troubles if "415" not in trouble]


def test_a_click_that_takes_its_time_cancels_though_the_words_beside_it_change(one: Visit, long_film: bytes) -> None:
    page = one.go("#/add")
    drop(page, "pressed.mp4", long_film)
    row = page.get_by_test_id("uploads").locator("li", has_text="pressed.mp4")
    row.get_by_role("button", name="Cancel").hover()
    page.mouse.down()
    expect(row).to_contain_text("looking and listening", timeout=60_000)
    page.mouse.up()
    expect(row.locator(".tag")).to_have_text("cancelled")


def test_a_page_that_waits_for_nothing_asks_for_nothing(one: Visit) -> None:
    page = one.go("#/add")
    expect(page.get_by_role("heading", level=1)).to_have_text("Add a film")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2000)
    assert asked == []


def test_a_film_that_is_still_being_sent_can_be_cancelled_by_its_sender_and_by_another(
    one: Visit, long_film: bytes
) -> None:
    page = one.go("#/add")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 250_000}
    one.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    sending = page.get_by_role("status").filter(has_text="Uploading slow.mp4")
    drop(page, "slow.mp4", long_film)
    sending.get_by_role("button", name="Cancel").click()
    expect(sending).to_have_count(0)
    drop(page, "slow.mp4", long_film)
    expect(sending).to_be_visible()
    other = one.context.new_page()
    other.goto(f"{one.base}/#/add")
    row = other.get_by_test_id("uploads").locator("li", has_text="slow.mp4").first
    expect(row.locator(".tag")).to_have_text("receiving")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".tag")).to_have_text("cancelled")
    expect(sending).to_have_count(0, timeout=60_000)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_everything_can_be_done_from_the_keyboard(one: Visit) -> None:
    page = one.go("")
    drawn(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("() => document.activeElement.textContent.trim() || document.activeElement.tagName")
        seen.add(name)
        if page.evaluate("() => document.activeElement.closest('[data-testid=films]') !== null"):
            break
    assert {"Lasso", "Whole map", "PNG"} <= seen
    title = page.evaluate("() => document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_narrow_screens_scroll_only_downwards(base: str, visit: Visits) -> None:
    phone = visit(base, viewport={"width": 360, "height": 740}, has_touch=True)
    id_, subgenre = playable(phone), phone.api("/run")["subgenres"][0]["id"]
    for path in (
        "map",
        f"film?id={id_}",
        "subgenres",
        f"subgenre?id={subgenre}",
        f"search?like={id_}",
        "compare",
        "figures",
        "history",
        "add",
    ):
        page = phone.go(f"#/{path}")
        page.wait_for_timeout(400)
        wide = page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)"
        )
        assert wide <= 360, path
    phone.shot("narrow")


def playable(one: Visit) -> str:
    """Id of a film with sound, several scenes and a file that Chromium plays."""
    points = one.api("/points")
    for id_ in points["id"]:
        film = one.api("/film", id=id_)
        if film["video"] in (".mp4", ".webm") and film["n_scenes"] > 2 and "audio" not in film["missing"]:
            return str(id_)
    raise AssertionError("no film to play")


def test_a_proposed_sub_genre_is_taken_with_a_click(
    serve: Serve, visit: Visits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinegrain.pipeline.discover.measure", lambda *_: {})
    run = growing_run(tmp_path)
    assign_stored(run, NEW)
    one = visit(serve(run.folder))
    page, [proposed] = one.go("#/subgenres"), one.api("/proposals")
    panel = page.get_by_test_id("proposal")
    expect(panel).to_contain_text(f"Proposed sub-genre of {proposed['size']} films")
    panel.get_by_text("Which films?").click()
    assert panel.locator("li").all_text_contents() == [film["title"] for film in proposed["films"]]
    one.shot("proposal")
    panel.get_by_label("Name", exact=True).fill("A kind of its own")
    panel.get_by_role("button", name="Accept").click()
    expect(page.get_by_test_id("cards").get_by_role("link", name="A kind of its own")).to_be_visible()
    expect(panel).to_have_count(0)
    card = next(card for card in one.api("/run")["subgenres"] if card["name"] == "A kind of its own")
    assert {film["trailer_id"] for film in one.api("/subgenre", id=card["id"])["members"]} == {
        film["trailer_id"] for film in proposed["films"]
    }
