/** What the API answers, as far as the pages use it. */
export type Mode = 'audio' | 'location' | 'motion' | 'image';
export interface ShortCard {
  id: string;
  name: string;
  size: number;
  modes: Record<string, number>;
  stability: number | null;
  verdict: { said: string; [key: string]: unknown } | null;
  edited: boolean;
  locked: boolean;
  arrived: number;
  label: [number, number];
  parents: string[];
}
export interface RunView {
  name: string;
  version: number;
  n_films: number;
  n_scenes: number;
  hours: number;
  modes: Mode[];
  genres: { name: string; n_films: number }[];
  years: [number, number] | null;
  columns: string[];
  subgenres: ShortCard[];
  unplaced: number;
  structure: string;
  oddities: string[];
  pages: string[];
}
export interface Points {
  version: number;
  n_films: number;
  n_wanted: number;
  id: string[];
  title: string[];
  map: [number, number][];
  map_before: [number, number][] | null;
  subgenre: number[];
  genres: number[][];
  year: (number | null)[];
  mode: number[];
  sure: (number | null)[];
  values: { names: string[]; of: number[] } | null;
}
export interface Word {
  name: string;
  score: number;
}
export interface GenreAnswer {
  name: string;
  probability: number;
  decided: boolean;
  influence: Record<string, number>;
}
export interface Near {
  trailer_id: string;
  title: string;
  genres: string[];
  score: number;
  modes: Record<string, number>;
}
export interface ShortFilm {
  trailer_id: string;
  title: string;
  year: number | null;
  genres: string[];
  split: string;
  distance: number | null;
}
export interface Proposal {
  id: string;
  name: string;
  keywords: string[];
  size: number;
  films: ShortFilm[];
}
export interface Named {
  id: string;
  name: string;
  distance: number;
}
export interface Film {
  trailer_id: string;
  title: string;
  year: number | null;
  genres: string[];
  duration_s: number;
  n_scenes: number;
  missing: string[];
  split: string;
  file: { name: string; means: string }[];
  predicted: GenreAnswer[];
  subgenre: (Named & { sure: number | null }) | null;
  runner_up: Named | null;
  concepts: Record<string, Word[]>;
  text: Record<string, string>;
  similar: Near[];
  video: string | null;
  version: number;
}
export interface SceneView {
  scene: number;
  start_s: number;
  end_s: number;
  picture: boolean | string | null;
  words: Record<string, Word[]>;
}
export interface Entry {
  id: string;
  at: string;
  by: string;
  why: string;
  said: string;
  state: string;
  operation: { do: string; [key: string]: unknown };
}
export interface Card extends Omit<ShortCard, 'label' | 'parents'> {
  terms: { word: string; mode: string; [key: string]: unknown }[];
  parents: { genre: string; [key: string]: unknown }[];
  keywords: string[];
  former: string[];
  cohesion: number;
  stability_subsamples: number | null;
  finer: { name?: string; [key: string]: unknown }[];
  members: ShortFilm[];
  exemplars: ShortFilm[];
  genres: { name: string; n_films: number }[];
  history: Entry[];
  similar: Named[];
  version: number;
  has_video: Record<string, string | null>;
}
export interface Why {
  score: number;
  modes: Record<string, number>;
  cosines: Record<string, number | null>;
  words: Record<string, { name: string; scores: [number, number] }[]>;
  genres: string[];
}
export interface FoundFilms {
  films: (Near & { words: { asked: string; word: string; mode: string; score: number }[] })[];
  notes: string[];
}
export interface Upload {
  id: string;
  name: string;
  state: 'receiving' | 'waiting' | 'looking' | 'done' | 'joining' | 'joined' | 'failed' | 'cancelled';
  message: string;
  n_bytes: number;
  n_before: number;
  trailer_id: string | null;
  answer: UploadAnswer | null;
}
export interface UploadAnswer {
  title: string;
  duration_s: number;
  n_scenes: number;
  genres: GenreAnswer[];
  subgenre: Named & { runner_up?: Named; modes: Record<string, number> };
  concepts: Record<string, Word[]>;
  neighbours: Near[];
  missing: string[];
  sure: boolean;
  unsure_because: string[];
  timeline: SceneView[];
  [key: string]: unknown;
}
