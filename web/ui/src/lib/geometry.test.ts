import { describe, expect, it } from 'vitest';
import { fitting, frameOf, fromFrame, inside, toFrame, type Point } from './geometry';

describe('inside', () => {
  it('agrees with the sum of angles seen from the point', () => {
    const star: Point[] = Array.from({ length: 10 }, (_, i) => {
      const r = i % 2 ? 0.4 : 1;
      return [r * Math.cos((i * Math.PI) / 5), r * Math.sin((i * Math.PI) / 5)];
    });
    let n = 0;
    for (let x = -1.05; x < 1.1; x += 0.093)
      for (let y = -1.05; y < 1.1; y += 0.087) {
        let turned = 0;
        star.forEach(([ax, ay], i) => {
          const [bx, by] = star[(i + 1) % star.length];
          const step = Math.atan2(by - y, bx - x) - Math.atan2(ay - y, ax - x);
          turned += Math.atan2(Math.sin(step), Math.cos(step));
        });
        expect(inside([x, y], star)).toBe(Math.abs(turned) > 3);
        n += Number(inside([x, y], star));
      }
    expect(n).toBeGreaterThan(50);
  });
});

describe('frames', () => {
  it('hold all points with a margin, keep shapes, and lead back', () => {
    const points: Point[] = [[3, 100], [7, -20], [5, 40]];
    const frame = frameOf(points);
    for (const one of points) {
      const [x, y] = toFrame(one, frame);
      expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThan(1);
      expect(fromFrame([x, y], frame)[0]).toBeCloseTo(one[0], 9);
      expect(fromFrame([x, y], frame)[1]).toBeCloseTo(one[1], 9);
    }
  });
  it('of nothing, and of one place, are no trouble', () => {
    expect(toFrame([0, 0], frameOf([]))).toEqual([0, 0]);
    expect(toFrame([2, 2], frameOf([[2, 2], [2, 2]])).every(Number.isFinite)).toBe(true);
  });
});

describe('labels', () => {
  const label = (x: number, weight: number) => ({ x, y: 50, width: 40, height: 20, weight });
  const low = 45; // so low that a label fits above its films alone
  it('never touch, and heavier ones win', () => {
    const kept = fitting([label(60, 1), label(80, 5), label(200, 2)], [], 400, low);
    expect(kept.map((one) => [one.x, one.y])).toEqual([
      [80, 30],
      [200, 30],
    ]);
  });
  it('grow in number as the map is spread out', () => {
    const some = [label(50, 3), label(60, 2), label(70, 1), label(55, 1), label(65, 1), label(75, 1), label(45, 1)];
    const spread = some.map((one) => ({ ...one, x: one.x * 8 }));
    expect(fitting(spread, [], 900, 100).length).toBeGreaterThan(fitting(some, [], 900, 100).length);
  });
  it('stay on the map', () => {
    const edges = [label(10, 1), label(395, 1), { ...label(100, 1), y: -40 }];
    expect(fitting(edges, [], 400, low)).toEqual([]);
    const kept = fitting(edges, [], 400, 100);
    expect(kept.map((one) => one.x)).toEqual([42, 363]); // beside their films, away from the edge
  });
  it('cover as few dots as they can', () => {
    const above: Point[] = [[100, 30]];
    expect(fitting([label(100, 1)], above, 400, 200)[0]).toMatchObject({ x: 100, y: 70 });
    const around: Point[] = [
      [100, 30],
      [100, 70],
      [100, 16],
      [100, 88],
      [140, 50],
      [150, 50],
      [60, 50],
    ];
    expect(fitting([label(100, 1)], [...around, [100, 31]], 400, 200)[0]).toMatchObject({ x: 100, y: 70 });
    expect(fitting([label(100, 1)], around, 400, 200)[0]).toMatchObject({ x: 100, y: 30 });
  });
});
