// Whether the hub answers. While it does not, it is asked again after 1, 2, 4 … 30 seconds.

const LONGEST_S = 30;

class Connection {
  away = $state(false);
  /** Seconds until the next try; 0: it is being tried. */
  waits = $state(0);
  private tries = 0;
  private timer = 0;
  private waiting = new Set<() => void>();

  lost(): void {
    if (this.away) return;
    this.away = true;
    this.tries = 0;
    this.schedule();
  }

  /** Runs `resume` once when the hub is back; returns how to take that back. */
  whenBack(resume: () => void): () => void {
    this.waiting.add(resume);
    return () => this.waiting.delete(resume);
  }

  tryNow(): void {
    clearInterval(this.timer);
    void this.attempt();
  }

  private schedule(): void {
    this.waits = Math.min(LONGEST_S, 2 ** this.tries++);
    this.timer = window.setInterval(() => {
      if (--this.waits <= 0) this.tryNow();
    }, 1000);
  }

  private async attempt(): Promise<void> {
    this.waits = 0;
    try {
      const response = await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!response.ok) throw new Error("not healthy");
    } catch {
      this.schedule();
      return;
    }
    this.away = false;
    const waiting = [...this.waiting];
    this.waiting.clear();
    waiting.forEach((resume) => resume());
  }
}

export const connection = new Connection();
