// Who is using the page.

import { apiKey, get, post, Problem } from "../lib/api";
import type { Me } from "../lib/contract";
import { announcer } from "./announcer.svelte";
import { connection } from "./connection.svelte";
import { preferences } from "./preferences.svelte";

class Session {
  me = $state<Me | null>(null);
  /** The hub wants to know who is asking. */
  locked = $state(false);
  /** Where one can sign in with the company's account. */
  issuer = $state<string | null>(null);
  why = $state("");
  private leaving = new Set<(name: string) => void>();

  get admin(): boolean {
    return this.me?.scopes.includes("admin") ?? false;
  }

  /** Asks the hub who this is. While it is away, it is asked again when it is back. */
  async begin(): Promise<void> {
    try {
      this.me = await get<Me>("/api/me");
      this.issuer = this.me.sign_in;
      this.locked = false;
      this.why = "";
    } catch (error) {
      this.refused(error, () => void this.begin());
    }
  }

  async signIn(key: string): Promise<void> {
    apiKey.set(key);
    await this.begin();
    if (this.locked) {
      apiKey.set("");
      this.why = preferences.words.door.wrong;
    }
  }

  /** Forgets who was here and what they asked. */
  async signOut(): Promise<void> {
    const mode = this.me?.mode;
    if (this.me) for (const forget of this.leaving) forget(this.me.name);
    apiKey.set("");
    if (mode === "oidc") await post("/api/logout").catch(() => undefined); // the cookie expires by itself
    this.me = null;
    await this.begin();
  }

  /** `forget` is called with the viewer's name at each sign-out. */
  onLeaving(forget: (name: string) => void): void {
    this.leaving.add(forget);
  }

  /** What an error means for the session; returns the sentence to show where it happened, "" if none is needed. */
  refused(error: unknown, retry?: () => void): string {
    const words = preferences.words;
    if (!(error instanceof Problem)) return words.away.unclear;
    if (error.status === 401) {
      if (this.me) this.why = words.door.expired;
      this.issuer = error.signIn ?? this.issuer;
      this.me = null;
      this.locked = true;
      return "";
    }
    if (error.away) {
      connection.lost();
      if (retry) connection.whenBack(retry);
      announcer.say(words.away.banner);
      return words.away.banner;
    }
    if (error.status === 429 || error.status === 503) return words.away.busy(error.retryAfter);
    return error.message || words.away.unclear;
  }
}

export const session = new Session();
