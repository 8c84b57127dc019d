// Earlier conversations, in this browser only, each viewer's apart.

import type { Answer } from "../lib/contract";
import { folded } from "../lib/text";
import { remember, remembered } from "./preferences.svelte";
import { session } from "./session.svelte";

export interface KeptTurn {
  question: string;
  answer: Answer | null;
  /** What was shown when it was stopped or broke. */
  partial: string;
}

export interface Kept {
  id: string;
  at: string;
  turns: KeptTurn[];
}

const MOST = 100;
const MOST_CHARS = 2_000_000;

class History {
  all = $state.raw<Kept[]>([]);
  private viewer: string | null = null;

  constructor() {
    session.onLeaving((name) => {
      remember(place(name), "");
      this.viewer = null;
      this.all = [];
    });
  }

  open(viewer: string): void {
    if (viewer === this.viewer) return;
    this.viewer = viewer;
    this.all = parsed(remembered(place(viewer)));
  }

  keep(conversation: Kept): void {
    this.store([conversation, ...this.all.filter((kept) => kept.id !== conversation.id)]);
  }

  remove(id: string): void {
    this.store(this.all.filter((kept) => kept.id !== id));
  }

  clear(): void {
    this.store([]);
  }

  matching(query: string): Kept[] {
    const words = folded(query).split(/\s+/).filter(Boolean);
    return this.all.filter((kept) => {
      const text = folded(kept.turns.map((turn) => `${turn.question} ${turn.answer?.answer ?? turn.partial}`).join(" "));
      return words.every((word) => text.includes(word));
    });
  }

  private store(all: Kept[]): void {
    if (this.viewer === null) return;
    let kept = all.slice(0, MOST);
    let text = JSON.stringify(kept);
    while (text.length > MOST_CHARS && kept.length > 1) {
      kept = kept.slice(0, -1);
      text = JSON.stringify(kept);
    }
    this.all = kept;
    remember(place(this.viewer), kept.length ? text : "");
  }
}

const place = (viewer: string): string => `history.${viewer}`;

function parsed(text: string): Kept[] {
  try {
    const found: unknown = JSON.parse(text || "[]");
    return Array.isArray(found) ? found.filter(isKept) : [];
  } catch {
    return [];
  }
}

function isKept(value: unknown): value is Kept {
  const kept = value as Partial<Kept> | null;
  return typeof kept?.id === "string" && Array.isArray(kept.turns) && kept.turns.every((turn) => typeof turn?.question === "string");
}

export const earlier = new History();
