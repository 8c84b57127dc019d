// The inline part of Markdown as pieces that know where in the source they stand.
//
//     "is **150 EUR** [1]"  ──▶  "is ", strong "150 EUR", " ", mark 1
//
// A small part of CommonMark 0.31 on purpose: whatever is not understood is shown as it was written, and nothing
// of it ever becomes markup. Time is linear in the length of the text.

export type Style = "strong" | "em" | "code" | "struck";

export interface Piece {
  /** In the source, in UTF-16 units; `text` may be shorter where marks are left out. */
  start: number;
  end: number;
  text: string;
  styles: readonly Style[];
  /** The number of a citation: this piece is its mark. */
  mark?: number;
  /** Where a link of the text leads; whoever shows it decides whether it may. */
  href?: string;
  breaks?: boolean;
}

export interface Line {
  text: string;
  at: number;
}

const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}_]/u;
const MAX_LINK = 1000;
const MAX_DEPTH = 8;
const MAX_TRIES = 40;

/** `lines` of one paragraph as pieces. `marks`: whether `[3]` is the mark of a citation. */
export function inline(lines: readonly Line[], marks: boolean): Piece[] {
  const pieces: Piece[] = [];
  const text = lines.map((line) => line.text).join("\n");
  const starts: number[] = [];
  let total = 0;
  for (const line of lines) {
    starts.push(total);
    total += line.text.length + 1;
  }
  let row = 0;
  const origin = (at: number): number => {
    while (row > 0 && starts[row]! > at) row--;
    while (row + 1 < starts.length && starts[row + 1]! <= at) row++;
    return lines[row]!.at + at - starts[row]!;
  };
  new Scanner(text, marks, (from, to, shown, styles, more) => {
    pieces.push({ start: origin(from), end: origin(Math.max(from, to - 1)) + 1, text: shown, styles, ...more });
  }).scan(0, text.length, [], 0);
  return pieces;
}

type Emit = (from: number, to: number, shown: string, styles: readonly Style[], more?: Partial<Piece>) => void;

class Scanner {
  /** Delimiters of which there is none further on: looked for once, not from every place. */
  private exhausted = new Map<string, number>();

  constructor(
    private text: string,
    private marks: boolean,
    private emit: Emit,
  ) {}

  scan(from: number, to: number, styles: readonly Style[], depth: number, href?: string): void {
    let plain = from;
    let at = from;
    const more = href === undefined ? {} : { href };
    const flush = (end: number): void => {
      if (end > plain) this.emit(plain, end, this.text.slice(plain, end), styles, more);
    };
    const skip = (end: number): void => {
      at = plain = end;
    };
    while (at < to) {
      const char = this.text[at]!;
      if (char === "\n") {
        flush(at);
        this.emit(at, at + 1, "\n", styles, more);
        skip(at + 1);
      } else if (char === "\\" && at + 1 < to && this.text[at + 1] === "\n") {
        flush(at);
        this.emit(at, at + 2, "\n", styles, { ...more, breaks: true });
        skip(at + 2);
      } else if (char === "\\" && at + 1 < to && PUNCTUATION.test(this.text[at + 1]!)) {
        flush(at);
        plain = at + 1;
        at += 2;
      } else {
        const end = depth < MAX_DEPTH ? this.special(char, at, to, styles, depth, more, flush) : 0;
        if (end) skip(end);
        else at++;
      }
    }
    flush(to);
  }

  /** Emits what begins at `at`, and returns where it ends; 0: nothing does. */
  private special(
    char: string,
    at: number,
    to: number,
    styles: readonly Style[],
    depth: number,
    more: Partial<Piece>,
    flush: (end: number) => void,
  ): number {
    if (char === "`") return this.code(at, to, styles, more, flush);
    if (char === "*" || char === "_" || char === "~") return this.emphasis(char, at, to, styles, depth, more, flush);
    if (char === "[" || (char === "!" && this.text[at + 1] === "[")) return this.bracket(at, to, styles, depth, flush);
    return 0;
  }

  private code(at: number, to: number, styles: readonly Style[], more: Partial<Piece>, flush: (end: number) => void): number {
    const ticks = /^`+/.exec(this.text.slice(at, at + 32))![0];
    const close = this.find(ticks, at + ticks.length, to);
    if (close < 0) return 0;
    flush(at);
    this.emit(at + ticks.length, close, this.text.slice(at + ticks.length, close).replace(/\n/g, " "), [...styles, "code"], more);
    return close + ticks.length;
  }

  private emphasis(
    char: string,
    at: number,
    to: number,
    styles: readonly Style[],
    depth: number,
    more: Partial<Piece>,
    flush: (end: number) => void,
  ): number {
    const double = this.text[at + 1] === char;
    if (char === "~" && !double) return 0;
    const delimiter = double ? char + char : char;
    const inside = at + delimiter.length;
    if (inside >= to || /\s/.test(this.text[inside]!)) return 0;
    if (char === "_" && at > 0 && WORD.test(this.text[at - 1]!)) return 0;
    const close = this.closing(delimiter, inside, to);
    if (close < 0) return 0;
    flush(at);
    const style: Style = char === "~" ? "struck" : double ? "strong" : "em";
    this.scan(inside, close, styles.includes(style) ? styles : [...styles, style], depth + 1, more.href);
    return close + delimiter.length;
  }

  private closing(delimiter: string, from: number, to: number): number {
    const char = delimiter[0]!;
    let tries = 0;
    for (let at = this.find(delimiter, from, to); at >= 0; at = this.find(delimiter, at + 1, to)) {
      if (++tries > MAX_TRIES) return -1;
      const before = this.text[at - 1]!;
      const after = this.text[at + delimiter.length] ?? " ";
      const single = delimiter.length === 1 && (after === char || before === char);
      if (at === from || /\s/.test(before) || before === "\\" || single) continue;
      if (char === "_" && WORD.test(after)) continue;
      return at;
    }
    return -1;
  }

  private find(delimiter: string, from: number, to: number): number {
    const none = this.exhausted.get(delimiter);
    if (none !== undefined && from >= none) return -1;
    const at = this.text.indexOf(delimiter, from);
    if (at < 0) this.exhausted.set(delimiter, from);
    return at >= 0 && at + delimiter.length <= to ? at : -1;
  }

  /** A citation's mark `[3]`, a link `[text](address)`, or an image, of which only the text is shown. */
  private bracket(at: number, to: number, styles: readonly Style[], depth: number, flush: (end: number) => void): number {
    const mark = this.marks && /^\[(\d{1,3})\]/.exec(this.text.slice(at, at + 6));
    if (mark && this.text[at + mark[0].length] !== "(") {
      flush(at);
      this.emit(at, at + mark[0].length, mark[0], styles, { mark: Number(mark[1]) });
      return at + mark[0].length;
    }
    const open = this.text[at] === "!" ? at + 2 : at + 1;
    const window = this.text.slice(open, Math.min(to, open + MAX_LINK));
    const link = /^((?:[^[\]\\\n]|\\.|\[[^[\]\n]*\])*)\]\(\s*(<[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+"[^"\n]*")?\s*\)/.exec(window);
    if (!link) return 0;
    flush(at);
    this.scan(open, open + link[1]!.length, styles, depth + 1, link[2]!.replace(/^<|>$/g, ""));
    return open + link[0].length;
  }
}
