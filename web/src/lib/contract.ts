// What the server says and is told, as the REST contract has it. Nothing of it is trusted as markup.

export interface Me {
  name: string;
  scopes: string[];
  mode: "local" | "key" | "oidc" | "public";
  sign_in: string | null;
  language_model: boolean;
  version: string;
}

/** A place in a document: `start` and `end` count characters (code points) of its text, end-exclusive. */
export interface Source {
  number: number | null;
  document: string;
  title: string;
  url: string;
  source: string;
  source_type: string;
  relevance_score: number;
  snippet: string;
  start: number;
  end: number;
  author: string;
  time: string | null;
  kind: string;
}

export interface Claim {
  text: string;
  citations: number[];
  doubt: string;
}

export interface SourceState {
  source: string;
  source_type: string;
  read_at: string | null;
  problem: string;
}

export interface Answer {
  id: string;
  query: string;
  answer: string;
  found: boolean;
  sources: Source[];
  elsewhere: Source[];
  nearest: Source[];
  claims: Claim[];
  conflict: string;
  confidence: number;
  searched: string;
  notice: string;
  coverage: SourceState[];
  generated: boolean;
  timestamp: string;
}

export interface Turn {
  question: string;
  answer: string;
}

export interface Hit {
  document: string;
  ordinal: number;
  title: string;
  url: string;
  source: string;
  source_type: string;
  kind: string;
  container: string;
  container_name: string;
  authors: string[];
  author: string;
  time: string | null;
  updated_at: string | null;
  relevance_score: number;
  text: string;
  context: string;
  start: number;
  end: number;
  duplicates: string[];
}

export interface Section {
  start: number;
  end: number;
  role: string;
  label: string;
  author: string;
  time: string | null;
  anchor: string;
  level: number;
}

export interface Document {
  document: string;
  title: string;
  url: string;
  source: string;
  source_type: string;
  container: string;
  kind: string;
  authors: string[];
  created_at: string | null;
  updated_at: string | null;
  language: string;
  state: string;
  text: string;
  sections: Section[];
}

export interface Container {
  container: string;
  name: string;
  expected: number;
  searchable: number;
  filtered: Record<string, number>;
  failed: Record<string, number>;
  pending: number;
  gap: string;
  seen_at: string | null;
  whole: boolean;
}

export interface Coverage {
  expected: number;
  searchable: number;
  filtered: Record<string, number> | number;
  failed: Record<string, number> | number;
  pending: number;
  whole: boolean;
  containers: Container[];
}

export interface Directory {
  people: number;
  memberships: number;
  read_at: string | null;
  tried_at: string | null;
  error: string;
  stale: boolean;
}

export interface SourceDetail {
  source: string;
  source_type: string;
  documents: number;
  read_at: string | null;
  problem: string;
  coverage?: Coverage | null;
  paused?: boolean | null;
  next_sync_at?: string | null;
  directory?: Directory | null;
}

export interface Sources {
  sources: Record<string, number>;
  total_documents: number;
  details: SourceDetail[];
  timestamp: string;
}

export interface Run {
  id: number | string;
  source: string;
  what: string;
  state: string;
  started_at: string;
  finished_at: string | null;
  summary: string;
}

export interface Gap {
  question: string;
  asked: number;
  last_asked: string;
  examples: string[];
  owners: { name: string; documents: number }[];
}

export interface SearchQuery {
  query: string;
  mode: string;
  top_k: number;
  source_filter: string[];
  kinds: string[];
  authors: string[];
  since: string | null;
  until: string | null;
}
