/** Talks to the API; every failure becomes an error with a message for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Value = string | number | boolean | null | undefined | readonly (string | number)[];

export function address(path: string, params: Record<string, Value> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  const text = query.toString();
  return `/api/v1${path}${text ? `?${text}` : ''}`;
}

async function answered<T>(asked: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server does not answer. Is `cinegrain serve` still running?');
  }
  if (!response.ok) {
    const said = (await response.json().catch(() => null)) as { message?: string } | null;
    throw new ApiError(response.status, said?.message ?? `The server answered ${response.status}.`);
  }
  return (await response.json()) as T;
}

export function ask<T>(whole: string, signal?: AbortSignal): Promise<T> {
  return answered<T>(fetch(whole, { signal }));
}

export function get<T>(path: string, params: Record<string, Value> = {}): Promise<T> {
  return ask<T>(address(path, params));
}

export function post<T>(path: string, body?: unknown): Promise<T> {
  const how: RequestInit = { method: 'POST' };
  if (body !== undefined) {
    how.headers = { 'content-type': 'application/json' };
    how.body = JSON.stringify(body);
  }
  return answered<T>(fetch(address(path), how));
}

export function remove<T>(path: string): Promise<T> {
  return answered<T>(fetch(address(path), { method: 'DELETE' }));
}

/** Sends a file and tells how much of it has gone; `fetch` cannot tell. */
export function send<T>(path: string, file: File, onSent: (share: number) => void, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', address(path, { name: file.name }));
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = (event) => onSent(event.total ? event.loaded / event.total : 0);
    request.onload = () => {
      let said: { message?: string } | null = null;
      try {
        said = JSON.parse(request.responseText);
      } catch {
        /* no JSON: told below */
      }
      if (request.status < 300 && said) resolve(said as T);
      else reject(new ApiError(request.status, said?.message ?? `The server answered ${request.status}.`));
    };
    request.onerror = () => reject(new ApiError(0, 'The upload failed: the server refused it or has stopped.'));
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
