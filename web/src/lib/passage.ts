// A document as parts to show: what lies around a passage, cut where its sections are.

import type { Document, Section } from "./contract";
import { linesOf, markdown, verbatim, type Block } from "./markdown";
import type { Piece } from "./inline";
import { unitAt } from "./text";

export interface Part {
  /** Who said it or where it stands, "" for text that follows on. */
  label: string;
  author: string;
  time: string | null;
  /** Markdown, or lines as they are written. */
  blocks: Block[];
  lines: Piece[];
  form: "markdown" | "plain" | "code" | "diff";
  /** The number of the first of `lines`, counted from 1. */
  firstLine: number;
}

export interface Passage {
  parts: Part[];
  /** The highlight, in UTF-16 units. */
  start: number;
  end: number;
  before: boolean;
  after: boolean;
}

const APART = new Set(["message", "comment", "body", "page", "row", "sheet", "file", "title"]);
const AROUND = 12_000;

/** `steps`: how often more was asked for. Offsets `start` and `end` are the server's, in code points. */
export function passage(document: Document, start: number, end: number, steps = 0): Passage {
  const { text } = document;
  const [from, to] = [unitAt(text, start), unitAt(text, end)];
  const around = AROUND * 4 ** steps;
  const first = from <= around ? 0 : text.lastIndexOf("\n", from - around) + 1;
  const end0 = text.indexOf("\n", to + around);
  const last = end0 < 0 ? text.length : end0;
  const sections = apart(document.sections, text, first, last);
  const parts = cut(sections, first, last).flatMap(([section, a, b]) => partOf(document, section, a, b));
  return { parts, start: from, end: to, before: first > 0, after: last < text.length };
}

type Placed = Section & { from: number; to: number };

function apart(sections: Section[], text: string, first: number, last: number): Placed[] {
  const wide = text.length !== [...text].length;
  const unit = (offset: number): number => (wide ? unitAt(text, offset) : offset);
  return sections
    .filter((section) => APART.has(section.role))
    .map((section) => ({ ...section, from: unit(section.start), to: unit(section.end) }))
    .filter((section) => section.to > first && section.from < last);
}

/** The stretch as neighbouring pieces, each of one section or of none. */
function cut(sections: Placed[], first: number, last: number): [Placed | null, number, number][] {
  const out: [Placed | null, number, number][] = [];
  let at = first;
  for (const section of sections) {
    if (section.from < at && section.to <= at) continue;
    const from = Math.max(section.from, at);
    if (from > at) out.push([null, at, from]);
    const to = Math.min(section.to, last);
    out.push([section, from, to]);
    at = to;
  }
  if (at < last) out.push([null, at, last]);
  return out;
}

function partOf(document: Document, section: Placed | null, from: number, to: number): Part[] {
  let text = document.text.slice(from, to);
  if (!text.trim()) return [];
  const form = formOf(document, section);
  if (section?.role === "message" || section?.role === "comment") {
    const told = /^\*\*[^*\n]{1,80}\*\* \([^)\n]{1,60}\):? ?/.exec(text)?.[0].length ?? 0;
    from += told;
    text = text.slice(told);
  }
  const trailing = form === "markdown" ? text : text.replace(/\n+$/, "");
  return [
    {
      label: section && !section.author ? section.label : "",
      author: section?.author ?? "",
      time: section?.time ?? null,
      blocks: form === "markdown" ? markdown(text, { at: from, begins: from === 0 }) : [],
      lines: form === "markdown" ? [] : linesOf(trailing, from).map(verbatim),
      form,
      firstLine: form === "code" ? lineAt(document.text, from) : 0,
    },
  ];
}

function formOf(document: Document, section: Placed | null): Part["form"] {
  if (document.kind === "code") return "code";
  if (document.kind === "change") return section?.role === "file" ? "diff" : "plain";
  if (document.kind === "text" || document.kind === "table") return "plain";
  return "markdown";
}

function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
