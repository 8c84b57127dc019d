// What is shown of an answer, and what is copied of it.

import type { Answer, Source } from "./contract";
import type { Block } from "./markdown";
import type { Piece } from "./inline";
import { openable } from "./text";

/** The numbers of the marks in `blocks`, in the order in which they come, each once. */
export function marksIn(blocks: Block[]): number[] {
  const found: number[] = [];
  const take = (pieces: Piece[]): void => pieces.forEach((piece) => piece.mark !== undefined && found.push(piece.mark));
  for (const block of blocks) {
    if (block.type === "paragraph" || block.type === "heading") take(block.pieces);
    else if (block.type === "quote") found.push(...marksIn(block.blocks));
    else if (block.type === "list") block.items.forEach((item) => found.push(...marksIn(item)));
    else if (block.type === "table") [block.head, ...block.rows].forEach((row) => row.forEach(take));
  }
  return [...new Set(found)];
}

/** Those cited so far, in the order of their first mark: nothing moves when another is cited. */
export function citedFirst(sources: Source[], marks: number[], complete: boolean): Source[] {
  const cited = marks.flatMap((number) => sources.find((source) => source.number === number) ?? []);
  return complete ? [...cited, ...sources.filter((source) => !cited.includes(source))] : cited;
}

/** The sentences in doubt where they stand in the answer's text. */
export function doubts(answer: Answer | null): { start: number; end: number; as: "doubt" }[] {
  const out: { start: number; end: number; as: "doubt" }[] = [];
  for (const claim of answer?.claims ?? []) {
    const at = claim.doubt ? answer!.answer.indexOf(claim.text) : -1;
    if (at >= 0) out.push({ start: at, end: at + claim.text.length, as: "doubt" });
  }
  return out.sort((a, b) => a.start - b.start);
}

/** The answer as Markdown with its links below it. */
export function asText(text: string, sources: Source[]): string {
  const links = sources.map((source) => `[${source.number}] ${source.title || source.document}: ${source.url}`);
  return [text.trim(), links.join("\n")].filter(Boolean).join("\n\n");
}

/** A link in an answer leads only to what the answer cites. */
export function leadsTo(sources: Source[]): (href: string) => string | null {
  const known = new Set(sources.map((source) => openable(source.url)).filter((url) => url !== null));
  return (href) => {
    const url = openable(href);
    return url !== null && known.has(url) ? url : null;
  };
}
