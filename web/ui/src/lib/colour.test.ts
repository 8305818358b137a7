import { describe, expect, it } from 'vitest';
import { classesOf, DARK, LIGHT, shade } from './colour';
import type { Points, RunView } from './types';

const linear = (colour: string): number[] =>
  [1, 3, 5].map((at) => {
    const c = parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
const times = (m: number[], v: number[]): number[] => [0, 3, 6].map((row) => m[row] * v[0] + m[row + 1] * v[1] + m[row + 2] * v[2]);
const LMS = [0.4122214708, 0.5363325363, 0.0514459929, 0.2119034982, 0.6806995451, 0.1073969566, 0.0883024619, 0.2817188376, 0.6299787005];
const LAB = [0.2104542553, 0.793617785, -0.0040720468, 1.9779984951, -2.428592205, 0.4505937099, 0.0259040371, 0.7827717662, -0.808675766];
const oklab = (rgb: number[]): number[] => times(LAB, times(LMS, rgb.map((v) => Math.min(1, Math.max(0, v)))).map(Math.cbrt));
const luminance = (colour: string): number => {
  const [r, g, b] = linear(colour);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a: string, b: string): number => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const run = {
  subgenres: Array.from({ length: 40 }, (_, i) => ({ id: `S${i}`, name: `Name ${i}` })),
  genres: [{ name: 'Action' }, { name: 'Drama' }],
  modes: ['audio', 'location', 'motion', 'image'],
  years: [1950, 2020],
} as unknown as RunView;
const points = {
  id: ['a', 'b', 'c', 'd'],
  subgenre: [0, 39, -1, 0],
  genres: [[1, 0], [], [0], [1]],
  mode: [3, -1, 0, 0],
  year: [1950, 2020, null, 1985],
  values: { names: ['x', 'y'], of: [1, 0, -1, 1] },
} as unknown as Points;

describe('classes', () => {
  it.each(['subgenre', 'genre', 'mode', 'year', 'column:c'] as const)('by %s count every film once', (by) => {
    const found = classesOf(points, run, by, false);
    expect(found.counts.reduce((a, b) => a + b, 0)).toBe(points.id.length);
    expect(found.of.every((one) => one >= 0 && one < found.names.length)).toBe(true);
    expect(found.colours.length).toBe(found.names.length);
  });
  it('of one scheme never share a colour', () => {
    for (const dark of [false, true]) {
      const { colours } = classesOf(points, run, 'subgenre', dark);
      expect(new Set(colours).size).toBe(colours.length);
    }
  });
  it('by year cover the first and the last', () => {
    const found = classesOf(points, run, 'year', false);
    expect(found.names[found.of[0]]).toContain('1950');
    expect(found.names[found.of[1]]).toContain('2020');
  });
});

describe('palettes', () => {
  it('stand out from their ground, by the 3 to 1 of WCAG 1.4.11', () => {
    for (const one of LIGHT) expect(contrast(one, '#fbfaf7')).toBeGreaterThan(3);
    for (const one of DARK) expect(contrast(one, '#12181f')).toBeGreaterThan(3);
  });
  it.each([
    ['everybody', 0.15, [1, 0, 0, 0, 1, 0, 0, 0, 1]],
    ['people without green cones', 0.075, [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881]],
    ['people without red cones', 0.075, [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998]],
  ])('are told apart by %s (Machado, Oliveira and Fernandes 2009; distance in OKLab)', (_, least, seen) => {
    for (const palette of [LIGHT, DARK])
      for (const [i, a] of palette.entries())
        for (const b of palette.slice(i + 1)) {
          const [p, q] = [a, b].map((one) => oklab(times(seen, linear(one))));
          expect(Math.hypot(...p.map((v, k) => v - q[k])), `${a} ${b}`).toBeGreaterThan(least);
        }
  });
  it('come back deeper on light and paler on dark', () => {
    expect(luminance(shade(LIGHT[0], 1, false))).toBeLessThan(luminance(LIGHT[0]));
    expect(luminance(shade(DARK[0], 1, true))).toBeGreaterThan(luminance(DARK[0]));
    expect(shade(LIGHT[0], 0, false)).toBe(LIGHT[0]);
  });
});
