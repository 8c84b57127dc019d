// Server-sent events read from a response's body (WHATWG HTML, 9.2.6 "Interpreting an event stream").

import type { Answer, Source } from "./contract";

export type ServerEvent =
  | { event: "status"; data: { stage: string } }
  | { event: "citations"; data: { sources: Source[] } }
  | { event: "delta"; data: { text: string } }
  | { event: "reset"; data: { reason: string } }
  | { event: "done"; data: Answer }
  | { event: "error"; data: { status?: number; detail?: string; title?: string } };

export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      waiting += decoder.decode(value, { stream: true });
      const blocks = waiting.split(/\r\n\r\n|\n\n|\r\r/);
      waiting = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined); // an aborted request has cancelled it already
  }
}

/** A block of lines as an event; a comment that only keeps the connection open is none. */
function eventOf(block: string): ServerEvent | null {
  let event = "";
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") event = value ?? "";
    if (field === "data") data.push(value ?? "");
  }
  if (!event || !data.length) return null;
  return { event, data: JSON.parse(data.join("\n")) } as ServerEvent;
}
