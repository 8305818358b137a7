const panel = document.getElementById("panel");

function thumbOf(index) {
  return page.films[index].thumb || document.getElementById(`thumb-${index}`)?.src || null;
}

function row(label, ...content) {
  return [element("dt", { textContent: label }), element("dd", {}, ...content)];
}

function filmButton(index) {
  const button = element("button", { type: "button", className: "film-link" }, bdi(page.films[index].title));
  button.dataset.film = index;
  return button;
}

function bdi(text) {
  return element("bdi", { textContent: text });
}

function modeDot(mode) {
  return element("i", { className: `dot mode-${mode}`, ariaHidden: "true" });
}

function guessed(film) {
  if (film.guesses.length) return film.guesses.map(([genre, p]) => `${genre} ${p.toFixed(2)}`).join(", ");
  return film.closest ? `none; closest ${film.closest[0]} ${film.closest[1].toFixed(2)}` : "none";
}

function wordRows(film) {
  if (!film.words.length) return row("Strongest words", "none");
  const lines = film.words.map(([mode, words]) =>
    element("div", {}, modeDot(mode), element("span", { className: "hidden", textContent: `${mode}: ` }), bdi(words.join(", "))),
  );
  return row("Strongest words", ...lines);
}

/** Shows a film beside the map. */
function showFilm(index, held) {
  const film = page.films[index];
  const thumb = thumbOf(index);
  const picture = element(
    "div",
    { className: "picture" },
    thumb
      ? element("img", { src: thumb, alt: `A scene of ${film.title}` })
      : element("span", { className: "no-picture", textContent: "no picture" }),
    held ? element("span", { className: "held", textContent: "held" }) : null,
  );
  const group = page.maps.subgenre.groups[film.subgenre];
  const link = element("a", { href: `#subgenre-${film.subgenre}` }, bdi(group.label));
  const near = element("ul", { className: "near" }, ...film.near.map((i) => element("li", {}, filmButton(i))));
  const facts = element(
    "dl",
    {},
    ...row("Genres given", bdi(film.genres.join(", ") || "none")),
    ...row("Predicted", bdi(guessed(film))),
    ...row("Sub-genre", link),
    ...wordRows(film),
    ...(film.missing.length ? row("Missing", film.missing.join(", ")) : []),
    ...(film.near.length ? row("Nearest films", near) : []),
  );
  const year = film.year ? element("span", { className: "muted num", textContent: String(film.year) }) : null;
  panel.replaceChildren(picture, element("div", {}, element("h3", {}, bdi(film.title)), year, facts));
}
