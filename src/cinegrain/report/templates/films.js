const filter = document.getElementById("filter");
const filmRows = [...document.querySelectorAll(".films tbody tr")].map((row) => [row, row.textContent.toLocaleLowerCase()]);

function filterFilms() {
  const wanted = filter.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [row, text] of filmRows) {
    row.hidden = !wanted.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("filter-count").textContent = `${shown} of ${filmRows.length}`;
}

filter.closest(".filter").hidden = false;
filter.addEventListener("input", filterFilms);
filterFilms();
