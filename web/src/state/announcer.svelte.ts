/** What a screen reader is told, politely, one sentence at a time. */
class Announcer {
  text = $state("");

  say(text: string): void {
    this.text = this.text === text ? `${text}\u00a0` : text;
  }
}

export const announcer = new Announcer();
