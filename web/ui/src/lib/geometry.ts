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

/** Which labels fit without touching another, heavier ones first: more appear as one zooms in. */
export function fitting<T extends Label>(labels: readonly T[], width: number, height: number): T[] {
  const kept: T[] = [];
  for (const one of [...labels].sort((a, b) => b.weight - a.weight)) {
    const [left, top] = [one.x - one.width / 2, one.y - one.height / 2];
    if (left < 0 || top < 0 || left + one.width > width || top + one.height > height) continue;
    const free = kept.every(
      (k) => Math.abs(k.x - one.x) >= (k.width + one.width) / 2 || Math.abs(k.y - one.y) >= (k.height + one.height) / 2,
    );
    if (free) kept.push(one);
  }
  return kept;
}
