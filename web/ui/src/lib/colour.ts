import type { Mode, Points, RunView } from './types';

/**
 * Ten colours that stand out from their ground by 3 to 1 and from one another also for people without red or green
 * cones; the tests compute both.
 */
export const LIGHT = ['#0072b2', '#d05010', '#109050', '#d01090', '#503010', '#b070f0', '#1010b0', '#903050', '#7030f0', '#501070'];
export const DARK = ['#56b4e9', '#b09010', '#50d030', '#d090b0', '#d0f070', '#d01030', '#70f0f0', '#b030b0', '#7070f0', '#109070'];
export const NONE_LIGHT = '#8b95a1';
export const NONE_DARK = '#7b8794';
/** Viridis without its darkest and lightest ends, which fade into the ground. */
const RAMP = ['#46327e', '#365c8d', '#277f8e', '#1fa187', '#4ac16d', '#a0da39'];

/** The modes' own colours, on light and on dark ground: those of their bars. */
const MODES: Record<Mode, [string, string]> = {
  audio: ['#b35900', '#ff9f55'],
  location: ['#00704f', '#3cd6a3'],
  motion: ['#0063a0', '#6bb9f2'],
  image: ['#8c3a70', '#eb9ccb'],
};

export type By = 'subgenre' | 'genre' | 'mode' | 'year' | `column:${string}`;

/** Points in classes: what the legend lists and the map colours. */
export interface Classes {
  names: string[];
  ids: string[];
  colours: string[];
  of: number[];
  counts: number[];
}

/** A colour used once already comes back paler on dark ground and deeper on light, so that no two classes are alike. */
export function shade(colour: string, round: number, dark: boolean): string {
  const share = 1 - 1 / (1 + 0.55 * round);
  const end = dark ? 255 : 0;
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `#${parts.map((one) => Math.round(one + (end - one) * share).toString(16).padStart(2, '0')).join('')}`;
}

export function classesOf(points: Points, run: RunView, by: By, dark: boolean): Classes {
  const palette = dark ? DARK : LIGHT;
  const none = dark ? NONE_DARK : NONE_LIGHT;
  let names: string[];
  let ids: string[] | null = null;
  let of: number[];
  let colours: string[] | null = null;
  if (by === 'subgenre') {
    names = run.subgenres.map((one) => one.name);
    ids = run.subgenres.map((one) => one.id);
    of = points.subgenre;
  } else if (by === 'genre') {
    names = run.genres.map((one) => one.name);
    of = points.genres.map((some) => some[0] ?? -1);
  } else if (by === 'mode') {
    names = run.modes;
    of = points.mode;
    colours = names.map((mode) => MODES[mode as Mode][dark ? 1 : 0]);
  } else if (by === 'year') {
    const [low, high] = run.years ?? [0, 0];
    const step = Math.max(1, Math.ceil((high - low + 1) / RAMP.length));
    const n = Math.max(1, Math.ceil((high - low + 1) / step));
    names = Array.from({ length: n }, (_, i) => {
      const [from, to] = [low + i * step, Math.min(high, low + (i + 1) * step - 1)];
      return from === to ? `${from}` : `${from}–${to}`;
    });
    colours = names.map((_, i) => RAMP[Math.round((i * (RAMP.length - 1)) / Math.max(1, n - 1))]);
    of = points.year.map((year) => (year === null ? -1 : Math.floor((year - low) / step)));
  } else {
    names = points.values?.names ?? [];
    of = points.values?.of ?? points.id.map(() => -1);
  }
  const counts = new Array<number>(names.length + 1).fill(0);
  for (const one of of) counts[one < 0 ? names.length : one] += 1;
  const rest = counts[names.length] ? ['none'] : [];
  return {
    names: [...names, ...rest],
    ids: [...(ids ?? names), ...rest],
    colours: [...(colours ?? names.map((_, i) => shade(palette[i % palette.length], Math.floor(i / palette.length), dark))), ...rest.map(() => none)],
    of: of.map((one) => (one < 0 ? names.length : one)),
    counts: rest.length ? counts : counts.slice(0, -1),
  };
}
