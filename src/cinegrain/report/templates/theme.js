"use strict";

const page = JSON.parse(document.getElementById("page-data").textContent);
const PLOT_CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

/** A copy of a figure in which every colour written as a CSS custom property has its present value. */
function resolved(value) {
  if (Array.isArray(value)) return value.map(resolved);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
  }
  const name = typeof value === "string" && /^var\((--[\w-]+)\)$/.exec(value);
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name[1]).trim() : value;
}

/** Calls back whenever the reader's light or dark preference changes. */
function onThemeChange(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** An element with text, never markup, so that nothing from a catalogue can act. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}
