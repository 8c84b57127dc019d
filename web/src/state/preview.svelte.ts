// The document that is open beside an answer or a result, at its passage.

export interface Opened {
  document: string;
  title: string;
  url: string;
  source: string;
  start: number;
  end: number;
  number: number | null;
  /** What stands there, as it was cited: it finds the place again if the document was changed since. */
  quote: string;
}

class Preview {
  shown = $state.raw<Opened | null>(null);
  /** What one can step through, in order. */
  among = $state.raw<Opened[]>([]);
  private opener: HTMLElement | null = null;

  open(passage: Opened, among: Opened[] = []): void {
    if (!this.shown && document.activeElement instanceof HTMLElement) this.opener = document.activeElement;
    this.among = among;
    this.shown = passage;
  }

  step(by: number): void {
    const at = this.shown ? this.among.indexOf(this.shown) : -1;
    this.shown = this.among[at + by] ?? this.shown;
  }

  /** Gives the focus back to what opened it. */
  close(): void {
    this.shown = null;
    this.opener?.focus({ preventScroll: true });
    this.opener = null;
  }
}

export const preview = new Preview();
