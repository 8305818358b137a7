/** What the API gives, by the names that the pages use; generated from its description by `npm run types`. */
import type { components } from './schema';

type Schemas = components['schemas'];
export type Mode = 'audio' | 'location' | 'motion' | 'image';
export type Card = Schemas['SubGenreView'];
export type Compared = Schemas['TwoFilms'] | Schemas['TwoSubGenres'] | Schemas['TwoGenres'];
export type Edited = Schemas['Edited'];
export type Entry = Schemas['PastEntry'];
export type Figures = Schemas['FiguresView'];
export type Film = Schemas['FilmView'];
export type FoundFilms = Schemas['Found'];
export type Genre = Schemas['GenreView'];
export type GenreAnswer = Schemas['GenreAnswer'];
export type Loudness = Schemas['Loudness'];
export type Named = Schemas['NearSubGenre'];
export type Near = Schemas['Neighbour'];
export type Points = Schemas['Points'];
export type Proposal = Schemas['ProposalView'];
export type RunView = Schemas['RunView'];
export type SceneView = Schemas['SceneView'];
export type ShortCard = Schemas['ShortCard'];
export type ShortFilm = Schemas['ShortFilm'];
export type Upload = Schemas['UploadView'];
export type UploadAnswer = Schemas['UploadAnswer'];
export type Why = Schemas['WhyAlike'];
export type Word = Schemas['Concept'];
