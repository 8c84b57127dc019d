// Text as people and servers count it.

/** Where the character at `offset` (in code points, as the server counts) stands in a JavaScript string. */
export function unitAt(text: string, offset: number): number {
  let unit = 0;
  for (let point = 0; point < offset && unit < text.length; point++) {
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  }
  return unit;
}

export const folded = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const CJK = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/u;

/** The words of a query that are worth pointing at in a result, folded; a plural finds its singular. */
export function wordsOf(query: string): string[] {
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  const words = [...segmenter.segment(query)].filter((part) => part.isWordLike).map((part) => folded(part.segment));
  const told = words.filter((word) => (CJK.test(word) ? !/^\p{sc=Hiragana}+$/u.test(word) : word.length > 2));
  return [...new Set(told.filter((word) => !COMMON.has(word)))];
}

const COMMON = new Set(
  (
    "the and for are was were who whom what when where why how which does did has have had not with from that this " +
    "there can could should would may must will our your you its into about any all per " +
    "que los las una unos por para con como cual cuando donde quien del esta este hay son mas"
  ).split(" "),
);

export interface Stretch {
  text: string;
  found: boolean;
}

/** `text` cut into stretches, of which those that begin like one of `words` are found. */
export function highlighted(text: string, words: string[]): Stretch[] {
  if (!words.length) return [{ text, found: false }];
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  const out: Stretch[] = [];
  for (const part of segmenter.segment(text)) {
    const found = Boolean(part.isWordLike) && words.some((word) => alike(folded(part.segment), word));
    const last = out.at(-1);
    if (last && last.found === found) last.text += part.segment;
    else out.push({ text: part.segment, found });
  }
  return out;
}

function alike(a: string, b: string): boolean {
  if (a === b) return true;
  const stem = Math.max(4, Math.min(a.length, b.length) - 2);
  return Math.min(a.length, b.length) >= 4 && Math.abs(a.length - b.length) <= 3 && a.slice(0, stem) === b.slice(0, stem);
}

/** About `size` characters of `text` around the first of `words`, cut between words. */
export function excerpt(text: string, words: string[], size: number): string {
  const plain = text.replace(/\s+/g, " ").trim();
  if (plain.length <= size) return plain;
  const low = plain.toLowerCase();
  const at = words.map((word) => low.indexOf(word)).filter((found) => found >= 0);
  const first = at.length ? Math.min(...at) : 0;
  const start = first > size / 2 ? plain.indexOf(" ", first - size / 3) + 1 || first : 0;
  return `${start ? "… " : ""}${plain.slice(start, start + size)}${start + size < plain.length ? " …" : ""}`;
}

/** The address if a browser may open it from a page: http or https, and nothing else. */
export function openable(url: string): string | null {
  if (!/^https?:\/\//i.test(url)) return null;
  try {
    return new URL(url).href;
  } catch {
    return null;
  }
}
