// A search as it stands in the address, and as the server is asked.

import type { SearchQuery } from "./contract";

export const KINDS = ["markdown", "text", "code", "conversation", "table", "change", "issue"] as const;
export const MODES = ["hybrid", "lexical", "vector"] as const;

export interface Wanted {
  query: string;
  mode: string;
  sources: string[];
  kinds: string[];
  author: string;
  since: string;
  until: string;
}

export function fromAddress(parameters: URLSearchParams): Wanted {
  const mode = parameters.get("mode") ?? "";
  return {
    query: parameters.get("q") ?? "",
    mode: (MODES as readonly string[]).includes(mode) ? mode : "hybrid",
    sources: parameters.getAll("source"),
    kinds: parameters.getAll("kind").filter((kind) => (KINDS as readonly string[]).includes(kind)),
    author: parameters.get("author") ?? "",
    since: dayOf(parameters.get("since")),
    until: dayOf(parameters.get("until")),
  };
}

const dayOf = (text: string | null): string => (text && /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : "");

export function toAddress(wanted: Wanted): URLSearchParams {
  const parameters = new URLSearchParams();
  if (wanted.query) parameters.set("q", wanted.query);
  wanted.sources.forEach((source) => parameters.append("source", source));
  wanted.kinds.forEach((kind) => parameters.append("kind", kind));
  if (wanted.author) parameters.set("author", wanted.author);
  if (wanted.since) parameters.set("since", wanted.since);
  if (wanted.until) parameters.set("until", wanted.until);
  if (wanted.mode !== "hybrid") parameters.set("mode", wanted.mode);
  return parameters;
}

export function narrowed(wanted: Wanted): number {
  return wanted.sources.length + wanted.kinds.length + [wanted.author, wanted.since, wanted.until].filter(Boolean).length;
}

/** Days are the reader's own: from the beginning of one to the end of the other. */
export function toQuery(wanted: Wanted, topK: number): SearchQuery {
  return {
    query: wanted.query,
    mode: wanted.mode,
    top_k: topK,
    source_filter: wanted.sources,
    kinds: wanted.kinds,
    authors: wanted.author.trim() ? [wanted.author.trim()] : [],
    since: wanted.since ? new Date(`${wanted.since}T00:00:00`).toISOString() : null,
    until: wanted.until ? new Date(`${wanted.until}T23:59:59.999`).toISOString() : null,
  };
}
