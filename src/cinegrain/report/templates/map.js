const mapPlot = document.getElementById("map-plot");
const legend = document.getElementById("legend");
const state = { colour: "subgenre", group: null, held: null, shown: null };

const currentMap = () => page.maps[state.colour];

/** Opacity of each film: all full, or only those of the chosen group. */
function opacities(films) {
  if (state.group === null) return 1;
  const lit = new Set(currentMap().groups[state.group].members);
  return films.map((film) => (lit.has(film) ? 1 : 0.12));
}

function ring() {
  const film = state.shown === null ? null : page.films[state.shown];
  return {
    type: currentMap().figure.data[0].type, mode: "markers", hoverinfo: "skip",
    x: film ? [film.x] : [], y: film ? [film.y] : [],
    marker: { symbol: "circle-open", size: 26, color: "var(--ink)", line: { width: state.held === null ? 1.5 : 3 } },
  };
}

function drawMap() {
  const figure = currentMap().figure;
  const narrow = mapPlot.clientWidth < 500 ? 0.72 : 1;
  const traces = figure.data.map((trace) => ({
    ...trace,
    marker: { ...trace.marker, size: trace.marker.size * narrow, opacity: opacities(trace.customdata) },
  }));
  const drawn = resolved([...traces, ring()]);
  const ranges = mapPlot.layout ? { xaxis: mapPlot.layout.xaxis, yaxis: mapPlot.layout.yaxis } : {};
  return Plotly.react(mapPlot, drawn, { ...resolved(figure.layout), ...ranges }, PLOT_CONFIG);
}

function drawLegend() {
  legend.classList.toggle("columns", state.colour === "subgenre");
  const svg = "http://www.w3.org/2000/svg";
  legend.replaceChildren(
    ...currentMap().groups.map((group, index) => {
      const mark = document.createElementNS(svg, "svg");
      mark.setAttribute("viewBox", "-8 -8 16 16");
      mark.setAttribute("class", group.mark.is_open ? "mark open" : "mark");
      mark.setAttribute("aria-hidden", "true");
      mark.style.setProperty("--c", group.mark.colour);
      mark.append(document.createElementNS(svg, "path"));
      mark.firstChild.setAttribute("d", group.mark.path);
      const label = group.short === group.label || group.short === "none" ? group.label : `${group.short} ${group.label}`;
      const count = element("span", { className: "muted num", textContent: String(group.members.length) });
      const button = element("button", { type: "button", title: label }, mark, bdi(label), count);
      button.setAttribute("aria-pressed", String(state.group === index));
      button.addEventListener("click", () => lightGroup(state.group === index ? null : index));
      return element("li", {}, button);
    }),
  );
  legend.classList.toggle("scrolls", legend.scrollHeight > legend.clientHeight + 1);
}

function lightGroup(index) {
  state.group = index;
  legend.querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
  drawMap();
}

function colourBy(colour) {
  Object.assign(state, { colour, group: null });
  document.querySelector(`input[name=colour][value=${colour}]`).checked = true;
  drawLegend();
  drawMap();
}

/** Shows a film; `held` keeps it there until another one is clicked. */
function select(index, held) {
  state.shown = index;
  state.held = held ? index : null;
  showFilm(index, held);
  const { x, y, marker } = ring();
  const last = currentMap().figure.data.length;
  Plotly.restyle(mapPlot, { x: [x], y: [y], "marker.line.width": marker.line.width }, [last]);
}

function zoom(factor, at = { x: 0.5, y: 0.5 }) {
  const next = {};
  for (const axis of ["x", "y"]) {
    const [low, high] = mapPlot.layout[`${axis}axis`].range;
    const centre = low + (high - low) * at[axis];
    next[`${axis}axis.range`] = [centre - (centre - low) * factor, centre + (high - centre) * factor];
  }
  Plotly.relayout(mapPlot, next);
}

function wholeMap() {
  const { xaxis, yaxis } = currentMap().figure.layout;
  Plotly.relayout(mapPlot, { "xaxis.range": [...xaxis.range], "yaxis.range": [...yaxis.range] });
}

/** Brings a film into view if the reader has zoomed past it. */
function bringIntoView(index) {
  const film = page.films[index];
  const outside = ["x", "y"].some((axis) => {
    const [low, high] = mapPlot.layout[`${axis}axis`].range;
    return film[axis] < low || film[axis] > high;
  });
  if (outside) wholeMap();
}

function visitOnMap(index) {
  document.getElementById("map").scrollIntoView();
  bringIntoView(index);
  select(index, true);
}

/** The nearest film in the direction of an arrow key, measured so that straight ahead counts more. */
function neighbourTowards(index, dx, dy) {
  const from = page.films[index];
  let best = null;
  page.films.forEach((film, i) => {
    const along = (film.x - from.x) * dx + (film.y - from.y) * dy;
    if (i === index || along <= 0) return;
    const across = Math.abs((film.x - from.x) * dy) + Math.abs((film.y - from.y) * dx);
    const cost = along + 2 * across;
    if (best === null || cost < best.cost) best = { i, cost };
  });
  return best === null ? index : best.i;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function onMapKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key]) {
    const next = neighbourTowards(state.shown, ...ARROWS[event.key]);
    bringIntoView(next);
    select(next, false);
  } else if (event.key === "Enter" || event.key === " ") select(state.shown, state.held === null);
  else if (event.key === "Escape") select(state.shown, false);
  else if (event.key === "+" || event.key === "=") zoom(0.7);
  else if (event.key === "-") zoom(1.4);
  else return;
  event.preventDefault();
}

/** Scrolling zooms only once the map has been clicked (or with Ctrl, as a pinch does), so the page still scrolls. */
function onMapWheel(event) {
  if (!event.ctrlKey && document.activeElement !== mapPlot) return;
  event.preventDefault();
  const box = mapPlot.getBoundingClientRect();
  zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 120) * 0.002), {
    x: (event.clientX - box.left) / box.width,
    y: 1 - (event.clientY - box.top) / box.height,
  });
}

function startMap() {
  drawLegend();
  drawMap();
  select(page.start, false);
  mapPlot.on("plotly_hover", ({ points }) => {
    if (state.held === null && points[0].customdata !== undefined) select(points[0].customdata, false);
  });
  mapPlot.on("plotly_click", ({ points }) => {
    if (points[0].customdata !== undefined) select(points[0].customdata, state.held !== points[0].customdata);
  });
  mapPlot.addEventListener("pointerdown", () => mapPlot.focus({ preventScroll: true }));
  mapPlot.addEventListener("keydown", onMapKey);
  mapPlot.addEventListener("wheel", onMapWheel, { passive: false });
  document.querySelectorAll("input[name=colour]").forEach((input) => {
    input.addEventListener("change", () => colourBy(input.value));
  });
  document.querySelectorAll("[data-zoom]").forEach((button) => {
    button.addEventListener("click", () => (button.dataset.zoom === "all" ? wholeMap() : zoom(Number(button.dataset.zoom))));
  });
  document.addEventListener("click", (event) => {
    const film = event.target.closest("[data-film]");
    const group = event.target.closest("[data-show-group]");
    if (film) visitOnMap(Number(film.dataset.film));
    if (group) {
      colourBy("subgenre");
      lightGroup(Number(group.dataset.showGroup));
      document.getElementById("map").scrollIntoView();
    }
  });
  onThemeChange(drawMap);
}

startMap();
