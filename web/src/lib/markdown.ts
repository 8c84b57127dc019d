// Markdown as blocks whose pieces know where they stand, so that a passage can be highlighted in what is shown.

import { inline, type Line, type Piece } from "./inline";

export type Block =
  | { type: "paragraph"; pieces: Piece[] }
  | { type: "heading"; level: number; pieces: Piece[] }
  | { type: "code"; lines: Piece[] }
  | { type: "quote"; blocks: Block[] }
  | { type: "list"; ordered: boolean; first: number; items: Block[][] }
  | { type: "table"; head: Piece[][]; rows: Piece[][][] }
  | { type: "facts"; facts: { name: Piece[]; value: Piece[] }[] }
  | { type: "rule" };

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])([ \t]+|$)/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const FACT = /^([\w -]{1,40}):[ \t]*(.*)$/;
const MAX_DEPTH = 6;

/** `text` stands at `at` of its document. `marks`: `[1]` is a citation. `begins`: it may open with front matter. */
export function markdown(text: string, { at = 0, marks = false, begins = false } = {}): Block[] {
  return new Blocks(linesOf(text, at), marks, 0).read(begins);
}

export function linesOf(text: string, at: number): Line[] {
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    lines.push({ text: line.replace(/\r$/, ""), at });
    at += line.length + 1;
  }
  return lines;
}

/** A line as it is written. */
export function verbatim(line: Line): Piece {
  return { start: line.at, end: line.at + line.text.length, text: line.text, styles: [] };
}

class Blocks {
  private row = 0;
  private out: Block[] = [];

  constructor(
    private lines: Line[],
    private marks: boolean,
    private depth: number,
  ) {}

  read(begins: boolean): Block[] {
    if (begins) this.frontMatter();
    while (this.row < this.lines.length) {
      const line = this.lines[this.row]!;
      if (!line.text.trim()) this.row++;
      else if (!this.block(line)) this.paragraph();
    }
    return this.out;
  }

  private block(line: Line): boolean {
    const fence = FENCE.exec(line.text);
    if (fence) return this.fenced(fence[1]!);
    if (HEADING.test(line.text)) return this.heading(line);
    if (RULE.test(line.text)) return this.rule();
    if (this.depth >= MAX_DEPTH) return false;
    if (QUOTE.test(line.text)) return this.quote();
    if (ITEM.test(line.text)) return this.list(line);
    if (/^ {4}|^\t/.test(line.text)) return this.indented();
    return this.table();
  }

  /** `---`, then `name: value` lines, then `---`: what a page says about itself. */
  private frontMatter(): void {
    if (this.lines[0]?.text.trim() !== "---") return;
    const end = this.lines.findIndex((line, row) => row > 0 && line.text.trim() === "---");
    const inside = end > 0 && end <= 40 ? this.lines.slice(1, end).filter((line) => line.text.trim()) : [];
    if (!inside.length || !inside.every((line) => FACT.test(line.text))) return;
    this.out.push({ type: "facts", facts: inside.map(factOf) });
    this.row = end + 1;
  }

  private fenced(fence: string): boolean {
    const code: Piece[] = [];
    const closing = new RegExp(`^ {0,3}${fence[0] === "~" ? "~" : "`"}{${fence.length},}[ \\t]*$`);
    for (this.row++; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      if (closing.test(line.text)) {
        this.row++;
        break;
      }
      code.push(verbatim(line));
    }
    this.out.push({ type: "code", lines: code });
    return true;
  }

  private indented(): boolean {
    const code: Piece[] = [];
    for (; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      if (line.text.trim() && !/^ {4}|^\t/.test(line.text)) break;
      const cut = line.text.startsWith("\t") ? 1 : Math.min(4, line.text.length);
      code.push(verbatim({ text: line.text.slice(cut), at: line.at + cut }));
    }
    while (code.length && !code.at(-1)!.text.trim()) code.pop();
    this.out.push({ type: "code", lines: code });
    return true;
  }

  private heading(line: Line): boolean {
    const mark = HEADING.exec(line.text)!;
    const text = line.text.slice(mark[0].length).replace(/[ \t]+#+[ \t]*$/, "");
    const pieces = inline([{ text, at: line.at + mark[0].length }], this.marks);
    this.out.push({ type: "heading", level: mark[1]!.length, pieces });
    this.row++;
    return true;
  }

  private rule(): boolean {
    this.out.push({ type: "rule" });
    this.row++;
    return true;
  }

  private quote(): boolean {
    const inside: Line[] = [];
    for (; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      const mark = QUOTE.exec(line.text);
      if (!mark) break;
      inside.push(cut(line, mark[0].length));
    }
    this.out.push({ type: "quote", blocks: new Blocks(inside, this.marks, this.depth + 1).read(false) });
    return true;
  }

  private list(line: Line): boolean {
    const first = ITEM.exec(line.text)![2]!;
    const ordered = /\d/.test(first);
    const items: Block[][] = [];
    while (this.row < this.lines.length) {
      const mark = ITEM.exec(this.lines[this.row]!.text);
      if (!mark || /\d/.test(mark[2]!) !== ordered) break;
      items.push(this.item(mark[0].length));
    }
    this.out.push({ type: "list", ordered, first: ordered ? Number.parseInt(first, 10) : 1, items });
    return true;
  }

  private item(width: number): Block[] {
    const inside: Line[] = [cut(this.lines[this.row]!, width)];
    const indent = Math.min(width, 4);
    for (this.row++; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      const spaces = /^ */.exec(line.text)![0].length;
      if (!line.text.trim()) {
        const next = this.lines[this.row + 1];
        if (!next || /^ */.exec(next.text)![0].length < Math.min(2, indent)) break;
        inside.push(line);
      } else if (spaces >= Math.min(2, indent)) inside.push(cut(line, Math.min(spaces, indent)));
      else if (this.opens(line)) break;
      else inside.push(line);
    }
    return new Blocks(inside, this.marks, this.depth + 1).read(false);
  }

  private opens(line: Line): boolean {
    return [FENCE, HEADING, RULE, QUOTE, ITEM].some((form) => form.test(line.text));
  }

  private table(): boolean {
    const [head, delimiters] = [this.lines[this.row]!, this.lines[this.row + 1]];
    if (!delimiters || !head.text.includes("|") || !DELIMITERS.test(delimiters.text)) return false;
    const rows: Piece[][][] = [];
    for (this.row += 2; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      if (!line.text.includes("|")) break;
      rows.push(this.cells(line));
    }
    this.out.push({ type: "table", head: this.cells(head), rows });
    return true;
  }

  private cells(line: Line): Piece[][] {
    const cells: Piece[][] = [];
    for (const found of line.text.matchAll(/(?:[^|\\]|\\.)+/g)) {
      const outer = !found[0].trim() && (found.index === 0 || found.index + found[0].length === line.text.length);
      if (!outer) cells.push(inline([trimmed(found[0], line.at + found.index)], this.marks));
    }
    return cells;
  }

  private paragraph(): void {
    const inside: Line[] = [];
    for (; this.row < this.lines.length; this.row++) {
      const line = this.lines[this.row]!;
      if (!line.text.trim() || (inside.length && this.opens(line))) break;
      inside.push(trimmed(line.text, line.at));
    }
    this.out.push({ type: "paragraph", pieces: inline(inside, this.marks) });
  }
}

function cut(line: Line, width: number): Line {
  return { text: line.text.slice(width), at: line.at + Math.min(width, line.text.length) };
}

function trimmed(text: string, at: number): Line {
  const start = text.length - text.trimStart().length;
  return { text: text.trim(), at: at + start };
}

function factOf(line: Line): { name: Piece[]; value: Piece[] } {
  const [, name, value] = FACT.exec(line.text) as unknown as [string, string, string];
  const at = line.at + line.text.length - value.length;
  return { name: [verbatim({ text: name, at: line.at })], value: [verbatim({ text: value, at })] };
}

/** The text of `blocks` without any of its marks, for where there is room for a few lines only. */
export function plain(blocks: Block[]): string {
  const text = (pieces: Piece[]): string => pieces.map((piece) => piece.text).join("");
  return blocks
    .map((block) => {
      if (block.type === "paragraph") return text(block.pieces);
      if (block.type === "heading") return text(block.pieces).replace(/[\p{L}\p{N}]$/u, "$&:");
      if (block.type === "quote") return plain(block.blocks);
      if (block.type === "list") return block.items.map(plain).join("\n");
      if (block.type === "table") return [block.head, ...block.rows].map((row) => row.map(text).join(" · ")).join("\n");
      return block.type === "code" ? block.lines.map((line) => line.text).join("\n") : "";
    })
    .join("\n");
}

/** What was written, as plain text; only Markdown has marks to leave out. */
export function readable(text: string, kind: string): string {
  const isMarkdown = kind !== "code" && kind !== "text" && kind !== "table" && kind !== "change";
  return isMarkdown ? plain(markdown(text, { begins: true })) : text;
}
