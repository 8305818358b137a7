import { describe, expect, it } from 'vitest';
import { asSvg } from './picture';
import { bytes, clock, escaped, fixed, many, percent } from './words';

describe('the picture of the map', () => {
  it('holds every dot and label, and a title can not break out', () => {
    const svg = asSvg({
      width: 100,
      height: 80,
      ground: '#fff',
      ink: '#000',
      radius: 3,
      dots: [{ x: 1, y: 2, colour: '#123456', title: '</title><script>alert(1)</script>' }],
      labels: [{ x: 5, y: 6, text: 'A & "B"' }],
      legend: [{ name: '<none>', colour: '#654321' }],
    });
    expect(svg).not.toContain('<script');
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg).toContain('A &amp; &quot;B&quot;');
  });
});

describe('words', () => {
  it('are what people expect', () => {
    expect(clock(3725)).toBe('1:02:05');
    expect(clock(59.9)).toBe('0:59');
    expect(percent(0.876)).toBe('88 %');
    expect(many(1, 'film')).toBe('1 film');
    expect(many(8800, 'film')).toBe('8,800 films');
    expect(bytes(351_000)).toBe('351 kB');
    expect(fixed(-0.001)).toBe('0.00');
    expect(fixed(-0.5)).toBe('−0.50');
    expect(escaped(`<a href='x'>`)).toBe('&lt;a href=&#39;x&#39;&gt;');
  });
});
