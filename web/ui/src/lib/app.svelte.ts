/** What all views share: the run, where the visitor is, which films they look at, who they are. */
import { get, post, ApiError } from './api';
import { filterOf, filterParams, format, parse, type Filter, type Params, type Route, type View } from './route';
import type { Edited, RunView } from './types';

type Theme = 'auto' | 'light' | 'dark';
const kept = (name: string): string => {
  try {
    return localStorage.getItem(`cinegrain.${name}`) ?? '';
  } catch {
    return ''; // storage is switched off: nothing is remembered
  }
};
const keep = (name: string, value: string) => {
  try {
    localStorage.setItem(`cinegrain.${name}`, value);
  } catch {
    /* as above */
  }
};

class App {
  run = $state<RunView | null>(null);
  failure = $state('');
  route = $state<Route>(parse(location.hash));
  theme = $state<Theme>((kept('theme') || 'auto') as Theme);
  editor = $state(kept('editor'));
  notice = $state('');
  problem = $state('');
  systemDark = $state(matchMedia('(prefers-color-scheme: dark)').matches);

  get dark(): boolean {
    return this.theme === 'auto' ? this.systemDark : this.theme === 'dark';
  }

  get filter(): Filter {
    return filterOf(this.route.params);
  }

  async load(): Promise<void> {
    try {
      this.run = await get<RunView>('/run');
      this.failure = '';
    } catch (error) {
      this.failure = said(error);
    }
  }

  /** Goes to a view; the filter goes along. */
  link(view: View, params: Params = {}): string {
    return format(view, { ...filterParams(this.filter), ...params });
  }

  go(view: View, params: Params = {}): void {
    location.hash = this.link(view, params);
  }

  /** Changes the address of this view without a step in the history. */
  tune(params: Params): void {
    const now = parse(location.hash);
    if (now.view !== this.route.view) return; // on the way to another view, whose address this would undo
    history.replaceState(null, '', format(now.view, { ...now.params, ...params }));
    this.route = parse(location.hash);
  }

  setFilter(filter: Filter): void {
    this.tune(filterParams(filter));
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    keep('theme', theme);
  }

  setEditor(name: string): void {
    this.editor = name.trim().slice(0, 80);
    keep('editor', this.editor);
  }

  /** Sends an edit made of the version that the visitor sees; true if it was taken. */
  async edit(edit: Record<string, unknown>, version: number, why = ''): Promise<boolean> {
    this.problem = this.notice = '';
    try {
      const done = await post<Edited>('/edits', {
        version,
        by: this.editor || 'somebody',
        why,
        edit,
      });
      await this.load();
      this.notice = `Done: ${done.entries.map((entry) => entry.said).join('; ')}.`;
      return true;
    } catch (error) {
      this.problem = said(error);
      if (error instanceof ApiError && error.status === 409) await this.load(); // what the others did is shown
      return false;
    }
  }
}

export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));
export const app = new App();

addEventListener('hashchange', () => {
  app.route = parse(location.hash);
  app.notice = app.problem = '';
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => (app.systemDark = event.matches));
