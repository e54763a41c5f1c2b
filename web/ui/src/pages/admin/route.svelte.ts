/** Which view of the dashboard is shown, and of what: `#/room/alice`. The address is where that is kept. */
export class Route {
  #hash = $state(location.hash);

  constructor() {
    $effect(() => {
      const look = () => (this.#hash = location.hash);
      window.addEventListener('hashchange', look);
      return () => window.removeEventListener('hashchange', look);
    });
  }

  /** The name of the view; empty where the address names none. */
  get view(): string {
    return this.#parts[0] ?? '';
  }

  /** What the view is of: the room, the broadcast. Empty where there is none. */
  get subject(): string {
    return this.#parts[1] ?? '';
  }

  get #parts(): string[] {
    return this.#hash.replace(/^#\//, '').split('/').map(plain);
  }
}

/** A part of an address as it was before it became one. What was never encoded stays as it is. */
function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view within the dashboard. */
export function to(view: string, subject?: string): string {
  return `#/${view}${subject === undefined ? '' : `/${encodeURIComponent(subject)}`}`;
}
