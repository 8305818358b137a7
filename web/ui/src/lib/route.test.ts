import { describe, expect, it } from 'vitest';
import { filterOf, filterParams, filterQuery, format, isFiltering, lassoOf, lassoText, NO_FILTER, parse } from './route';

describe('addresses', () => {
  it('come back as they went, whatever stands in them', () => {
    const params = { id: 'a/b?c#d&e=f', q: 'Grüße 🎬 100 %', cam: '0.1,-0.2,3' };
    expect(parse(format('film', params))).toEqual({ view: 'film', params });
  });
  it('lead to the map when they make no sense', () => {
    for (const odd of ['', '#', '#/', '#/nowhere', '#/__proto__?a=1', '#/film/x']) expect(parse(odd).view).toBe('map');
  });
  it('are the same however their parts were ordered, and leave out what is empty', () => {
    expect(format('map', { b: '2', a: '1', c: '' })).toBe(format('map', { a: '1', b: '2' }));
  });
});

describe('filters', () => {
  it('come back as they went', () => {
    const filter = { text: 'x|y', genre: ['Action', 'Science Fiction'], subgenre: ['S01'], from: '1950', to: '', sure: 0.5 };
    expect(filterOf(filterParams(filter))).toEqual(filter);
    expect(filterQuery(filter)).toMatchObject({ year_from: '1950', sure: 0.5 });
  });
  it('that nobody could mean are none', () => {
    expect(filterOf({ from: 'abc', to: '99999', sure: '7' })).toEqual(NO_FILTER);
    expect(isFiltering(filterOf({ sure: 'x' }))).toBe(false);
  });
});

describe('lassos', () => {
  const round = Array.from({ length: 500 }, (_, i) => [Math.cos(i / 80), Math.sin(i / 80)] as const);
  it('fit into an address and keep their shape', () => {
    const text = lassoText(round);
    expect(text.length).toBeLessThan(1000);
    for (const [x, y] of lassoOf(text)) expect(Math.hypot(x, y)).toBeCloseTo(1, 2);
  });
  it('of fewer than three corners, or of rubbish, are none', () => {
    for (const odd of ['', '1,2', '1,2;3,4', 'a,b;c,d;e,f', '1,2;3;4,5;6,7,8']) expect(lassoOf(odd)).toEqual([]);
  });
});
