// Which view is open, and what it shows: kept in the address behind `#`, which never leaves the browser.

export type View = "ask" | "search" | "sources" | "gaps";
export const VIEWS: readonly View[] = ["ask", "search", "sources", "gaps"];

function parse(hash: string): { view: View; parameters: URLSearchParams } {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const view = VIEWS.find((name) => name === path) ?? "ask";
  return { view, parameters: new URLSearchParams(query) };
}

class Route {
  view = $state<View>("ask");
  parameters = $state.raw(new URLSearchParams());

  constructor() {
    this.read();
    addEventListener("hashchange", () => this.read());
  }

  private read(): void {
    const { view, parameters } = parse(location.hash);
    this.view = view;
    if (parameters.toString() !== this.parameters.toString()) this.parameters = parameters;
  }

  /** Shows `parameters` in the address of the view that is open. `step`: "back" returns to what was there before. */
  keep(parameters: URLSearchParams, step: boolean): void {
    const query = parameters.toString();
    const hash = `#/${this.view}${query ? `?${query}` : ""}`;
    if (hash === location.hash) return;
    if (step) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
    this.parameters = parameters;
  }
}

export const route = new Route();
