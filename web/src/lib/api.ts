// Requests to the hub that served this page, and to nothing else.

import { events, type ServerEvent } from "./events";

/** A refusal in the server's own words (RFC 9457). `status` 0: the server could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly retryAfter = 0,
    readonly signIn: string | null = null,
  ) {
    super(detail);
  }

  get away(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

const KEY = "knowhub.key";

export const apiKey = {
  get: (): string => read(KEY),
  set: (key: string): void => write(KEY, key),
};

function read(name: string): string {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return ""; // storage is switched off in this browser: the key lives until the page is closed
  }
}

function write(name: string, value: string): void {
  try {
    if (value) sessionStorage.setItem(name, value);
    else sessionStorage.removeItem(name);
  } catch {
    /* as above */
  }
}

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  accept?: string;
}

async function request(path: string, { method = "GET", body, signal, accept }: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept ?? "application/json" };
  const key = apiKey.get();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ?? null,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response: Response): Promise<Problem> {
  let told: Record<string, unknown> = {};
  try {
    told = (await response.json()) as Record<string, unknown>;
  } catch {
    /* a proxy's own error page: the status says enough */
  }
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return new Problem(
    response.status,
    text(told.detail) || text(told.title) || `${response.status} ${response.statusText}`,
    Number(response.headers.get("Retry-After")) || 0,
    text(told.sign_in) || null,
  );
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return parsed<T>(await request(path, signal ? { signal } : {}));
}

export async function post<T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  return parsed<T>(await request(path, { method: "POST", body, ...(signal && { signal }) }));
}

async function parsed<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch {
    throw new Problem(0, "");
  }
}

/** An answer as it comes about. Raises Problem; ends early without `done` if the connection breaks. */
export async function* ask(body: unknown, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const response = await request("/api/query", { method: "POST", body, signal, accept: "text/event-stream" });
  if (!response.body) throw new Problem(0, "");
  try {
    yield* events(response.body);
  } catch (error) {
    if (signal.aborted || error instanceof Problem) throw error;
    throw new Problem(0, "");
  }
}
