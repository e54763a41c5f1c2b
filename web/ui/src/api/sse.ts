export interface ServerSentEvent {
  event: string;
  data: string;
  id: string | undefined;
}

/**
 * Takes server-sent events out of text that arrives in pieces (WHATWG HTML, section 9.2.6; without `retry`). The
 * browser's own EventSource cannot send an Authorization header.
 */
export class EventStreamParser {
  /** The pieces of a line that has no end yet: put together once, as a line may be megabytes long. */
  #rest: string[] = [];
  #event = '';
  #data: string[] = [];
  #id: string | undefined;

  /** The events that are complete with this piece. */
  push(piece: string): ServerSentEvent[] {
    const lines = piece.split('\n');
    const rest = lines.pop() ?? '';
    if (lines.length > 0) {
      lines[0] = this.#rest.join('') + lines[0];
      this.#rest = [];
    }
    this.#rest.push(rest);
    return lines.flatMap((line) => this.#line(line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  #line(line: string): ServerSentEvent[] {
    if (line === '') return this.#complete();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return [];
  }

  #complete(): ServerSentEvent[] {
    const event = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    return empty ? [] : [event];
  }
}
