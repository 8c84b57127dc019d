// A conversation in the making: questions, and answers as they stream in.

import { ask, Problem } from "../lib/api";
import type { Answer, Source } from "../lib/contract";
import type { ServerEvent } from "../lib/events";
import { announcer } from "./announcer.svelte";
import { connection } from "./connection.svelte";
import { earlier, type Kept } from "./history.svelte";
import { preferences } from "./preferences.svelte";
import { session } from "./session.svelte";

export const MAX_CHARS = 4000;
const MAX_TURNS = 20;
const MAX_ANSWER = 8000;

export type State = "asking" | "done" | "stopped" | "broken";

export class Asked {
  state = $state<State>("asking");
  stage = $state("");
  text = $state("");
  sources = $state.raw<Source[]>([]);
  answer = $state.raw<Answer | null>(null);
  problem = $state("");
  /** Why the text began again. */
  again = $state(false);
  judged = $state<"" | "useful" | "not">("");

  constructor(readonly question: string) {}

  static from(turn: Kept["turns"][number]): Asked {
    const asked = new Asked(turn.question);
    asked.answer = turn.answer;
    asked.text = turn.answer?.answer ?? turn.partial;
    asked.sources = turn.answer?.sources ?? [];
    asked.state = turn.answer ? "done" : "stopped";
    return asked;
  }
}

class Conversation {
  turns = $state<Asked[]>([]);
  draft = $state("");
  id = $state("");
  private stopping: AbortController | null = null;
  private forgetRetry: (() => unknown) | null = null;

  constructor() {
    this.draft = draft.get();
    session.onLeaving(() => {
      this.begin();
      this.type("");
    });
  }

  get busy(): boolean {
    return this.turns.at(-1)?.state === "asking";
  }

  type(text: string): void {
    this.draft = text;
    draft.set(text);
  }

  begin(): void {
    this.stop();
    this.turns = [];
    this.id = "";
  }

  reopen(kept: Kept): void {
    this.stop();
    this.id = kept.id;
    this.turns = kept.turns.map((turn) => Asked.from(turn));
  }

  ask(question: string): void {
    const text = question.trim();
    if (!text || [...text].length > MAX_CHARS || this.busy) return;
    this.id ||= fresh();
    this.turns.push(new Asked(text));
    void this.run(this.turns.at(-1)!);
  }

  /** Asks the last question once more. */
  again(): void {
    const last = this.turns.at(-1);
    if (!last || this.busy) return;
    this.turns[this.turns.length - 1] = new Asked(last.question);
    void this.run(this.turns.at(-1)!);
  }

  stop(): void {
    this.stopping?.abort();
    this.forgetRetry?.();
  }

  private async run(turn: Asked): Promise<void> {
    this.forgetRetry?.();
    const stopping = (this.stopping = new AbortController());
    try {
      for await (const event of ask(this.body(turn), stopping.signal)) this.take(turn, event);
      if (turn.state === "asking") this.broke(turn, new Problem(0, ""));
    } catch (error) {
      if (stopping.signal.aborted) turn.state = "stopped";
      else this.broke(turn, error);
    }
    if (!this.turns.includes(turn)) return;
    if (turn.state === "stopped") announcer.say(preferences.words.ask.stopped);
    this.keep();
  }

  private body(turn: Asked): unknown {
    const before = this.turns.slice(0, this.turns.indexOf(turn)).filter((other) => other.answer);
    const conversation = before
      .slice(-MAX_TURNS)
      .map((other) => ({ question: other.question, answer: (other.answer?.answer ?? "").slice(0, MAX_ANSWER) }));
    return { query: turn.question, conversation };
  }

  private take(turn: Asked, event: ServerEvent): void {
    const words = preferences.words.ask;
    if (event.event === "status") turn.stage = event.data.stage;
    else if (event.event === "citations") turn.sources = event.data.sources;
    else if (event.event === "delta") turn.text += event.data.text;
    else if (event.event === "reset") this.reset(turn);
    else if (event.event === "error") throw new Problem(event.data.status ?? 500, event.data.detail ?? "");
    else if (event.event === "done") {
      const answer = event.data;
      Object.assign(turn, { answer, text: answer.answer, sources: answer.sources, state: "done", again: false });
      announcer.say(answer.found ? words.ready(answer.sources.length) : words.notFoundStatus);
    }
  }

  private reset(turn: Asked): void {
    Object.assign(turn, { text: "", sources: [], again: true });
  }

  private broke(turn: Asked, error: unknown): void {
    turn.state = "broken";
    const nothingYet = !turn.text && turn === this.turns.at(-1);
    const told = session.refused(error);
    turn.problem = turn.text ? preferences.words.ask.broken : told;
    if (connection.away && nothingYet) this.forgetRetry = connection.whenBack(() => this.again());
  }

  private keep(): void {
    const turns = this.turns
      .filter((turn) => turn.answer || turn.text)
      .map((turn) => ({ question: turn.question, answer: turn.answer, partial: turn.answer ? "" : turn.text }));
    if (turns.length && this.id) earlier.keep({ id: this.id, at: new Date().toISOString(), turns });
  }
}

/** What is being typed outlives a reload, and not the tab. */
const draft = {
  get(): string {
    try {
      return sessionStorage.getItem("knowhub.draft") ?? "";
    } catch {
      return "";
    }
  },
  set(text: string): void {
    try {
      sessionStorage.setItem("knowhub.draft", text);
    } catch {
      /* storage is full or switched off: it lives until the page is closed */
    }
  },
};

const fresh = (): string => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16)).join("");

export const conversation = new Conversation();
