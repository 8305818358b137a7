export type Point = readonly [number, number];

/** Whether a point lies inside a polygon (even-odd rule). */
export function inside([x, y]: Point, corners: readonly Point[]): boolean {
  let found = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [xi, yi] = corners[i];
    const [xj, yj] = corners[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) found = !found;
  }
  return found;
}

/** How a map's own coordinates become -1..1, the same step on both axes. */
export interface Frame {
  x: number;
  y: number;
  half: number;
}

export function frameOf(points: readonly Point[]): Frame {
  if (!points.length) return { x: 0, y: 0, half: 1 };
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  return { x: (left + right) / 2, y: (low + high) / 2, half: Math.max((right - left) / 2, (high - low) / 2, 1e-9) * 1.08 };
}

export const toFrame = ([x, y]: Point, f: Frame): [number, number] => [(x - f.x) / f.half, (y - f.y) / f.half];
export const fromFrame = ([x, y]: Point, f: Frame): [number, number] => [x * f.half + f.x, y * f.half + f.y];

export interface Label {
  x: number;
  y: number;
  width: number;
  height: number;
  weight: number;
}

const ABOVE = 20;
const SIDE = 12;

/**
 * Where labels go without touching another, heavier ones first: more appear as one zooms in.
 *
 * Of the places beside its films, above them first, a label takes the one where it covers the fewest dots.
 */
export function fitting<T extends Label>(labels: readonly T[], dots: readonly Point[], width: number, height: number): T[] {
  const kept: T[] = [];
  for (const one of [...labels].sort((a, b) => b.weight - a.weight)) {
    let best: T | null = null;
    let least = Infinity;
    for (const [dx, dy] of placesBeside(one)) {
      const there = { ...one, x: one.x + dx, y: one.y + dy };
      const [left, top] = [there.x - there.width / 2, there.y - there.height / 2];
      if (left < 0 || top < 0 || left + there.width > width || top + there.height > height) continue;
      if (kept.some((k) => Math.abs(k.x - there.x) < (k.width + there.width) / 2 && Math.abs(k.y - there.y) < (k.height + there.height) / 2)) continue;
      const covered = dots.filter(([x, y]) => x > left && x < left + there.width && y > top && y < top + there.height).length;
      if (covered >= least) continue;
      [best, least] = [there, covered];
      if (!covered) break;
    }
    if (best) kept.push(best);
  }
  return kept;
}

const placesBeside = (one: Label): Point[] => [
  [0, -ABOVE],
  [0, ABOVE],
  [0, -ABOVE * 1.8],
  [0, ABOVE * 1.8],
  [one.width / 2 + SIDE, 0],
  [-one.width / 2 - SIDE, 0],
];
