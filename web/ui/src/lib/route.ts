/** Where the visitor is, as it stands in the address after `#`, so that any view can be shared. */
export const VIEWS = ['map', 'film', 'subgenres', 'subgenre', 'genre', 'search', 'compare', 'figures', 'history', 'add'] as const;
export type View = (typeof VIEWS)[number];
export type Params = Record<string, string>;
export interface Route {
  view: View;
  params: Params;
}

export function parse(hash: string): Route {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const view = VIEWS.find((one) => one === path) ?? 'map';
  return { view, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function format(view: View, params: Params = {}): string {
  const kept = Object.entries(params).filter(([, value]) => value !== '');
  const query = new URLSearchParams(kept.sort(([a], [b]) => a.localeCompare(b))).toString();
  return `#/${view}${query ? `?${query}` : ''}`;
}

/** The part of an address that every view keeps: which films are looked at. */
export interface Filter {
  text: string;
  genre: string[];
  subgenre: string[];
  from: string;
  to: string;
  sure: number;
}
export const NO_FILTER: Filter = { text: '', genre: [], subgenre: [], from: '', to: '', sure: 0 };

export function filterOf(params: Params): Filter {
  const list = (text = '') => text.split('|').filter(Boolean);
  const year = (text = '') => (/^-?\d{1,4}$/.test(text) ? text : '');
  const sure = Number(params.sure ?? 0);
  return {
    text: params.q ?? '',
    genre: list(params.genre),
    subgenre: list(params.sub),
    from: year(params.from),
    to: year(params.to),
    sure: sure >= 0 && sure <= 1 ? sure : 0,
  };
}

export function filterParams(filter: Filter): Params {
  return {
    q: filter.text,
    genre: filter.genre.join('|'),
    sub: filter.subgenre.join('|'),
    from: filter.from,
    to: filter.to,
    sure: filter.sure ? String(filter.sure) : '',
  };
}

/** The same for the API. */
export const filterQuery = (f: Filter) => ({
  text: f.text,
  genre: f.genre,
  subgenre: f.subgenre,
  year_from: f.from,
  year_to: f.to,
  sure: f.sure || '',
});

export function isFiltering(filter: Filter): boolean {
  return Object.values(filterParams(filter)).some(Boolean);
}

/** A lasso in an address: corners on the map, to a thousandth. */
export function lassoText(corners: readonly (readonly [number, number])[]): string {
  const step = Math.max(1, Math.ceil(corners.length / 60)); // an address has room for some sixty
  return corners
    .filter((_, i) => i % step === 0)
    .map(([x, y]) => `${Math.round(x * 1000) / 1000},${Math.round(y * 1000) / 1000}`)
    .join(';');
}

export function lassoOf(text = ''): [number, number][] {
  const corners = text.split(';').map((pair) => pair.split(',').map(Number));
  const good = corners.filter((pair): pair is [number, number] => pair.length === 2 && pair.every(Number.isFinite));
  return good.length >= 3 ? good : [];
}
