// Coverage as shares of a bar: expected = searchable + filtered + failed + pending, and what nobody can account for.

import type { Container, Coverage } from "./contract";

export interface Shares {
  expected: number;
  searchable: number;
  filtered: number;
  failed: number;
  pending: number;
  unknown: number;
}

export const PARTS = ["searchable", "filtered", "pending", "failed", "unknown"] as const;

export const sum = (counts: Record<string, number> | number): number =>
  typeof counts === "number" ? counts : Object.values(counts).reduce((total, count) => total + count, 0);

export function sharesOf(row: Container | Coverage): Shares {
  const [filtered, failed] = [sum(row.filtered), sum(row.failed)];
  const known = row.searchable + filtered + failed + row.pending;
  const expected = Math.max(row.expected, known);
  return { expected, searchable: row.searchable, filtered, failed, pending: row.pending, unknown: expected - known };
}

export interface Missing {
  where: string;
  what: "filtered" | "failed" | "gap" | "pending" | "unknown";
  why: string;
  count: number;
}

/** What cannot be found and why, what went wrong first. */
export function missing(containers: Container[]): Missing[] {
  const out: Missing[] = [];
  for (const row of containers) {
    const where = row.name || row.container;
    const shares = sharesOf(row);
    if (row.gap) out.push({ where, what: "gap", why: row.gap, count: 0 });
    for (const [why, count] of Object.entries(row.failed)) out.push({ where, what: "failed", why, count });
    for (const [why, count] of Object.entries(row.filtered)) out.push({ where, what: "filtered", why, count });
    if (row.pending) out.push({ where, what: "pending", why: "", count: row.pending });
    if (shares.unknown) out.push({ where, what: "unknown", why: "", count: shares.unknown });
  }
  const rank = { gap: 0, failed: 1, unknown: 2, pending: 3, filtered: 4 };
  return out.sort((a, b) => rank[a.what] - rank[b.what] || b.count - a.count);
}
