/** The rows of a long list that are drawn: from `first` up to, and without, `end`. */
export interface Window {
  first: number;
  end: number;
}

export interface View {
  /** How far the list is scrolled, in pixels. */
  top: number;
  /** How much of it can be seen, in pixels. */
  height: number;
  /** Of each row, in pixels. */
  rowHeight: number;
  /** How many rows there are. */
  count: number;
}

/** Rows that are drawn above and below what can be seen, so that a turn of the wheel meets no blank. */
const overscan = 8;

/** Which rows are to be drawn. */
export function windowOf({ top, height, rowHeight, count }: View): Window {
  const first = Math.floor(Math.max(top, 0) / rowHeight) - overscan;
  const end = Math.ceil((Math.max(top, 0) + height) / rowHeight) + overscan;
  // A list that became shorter is still scrolled to where it had rows, until the browser says otherwise.
  const from = Math.max(0, Math.min(first, count - (end - first)));
  return { first: from, end: Math.max(from, Math.min(end, count)) };
}

/**
 * Where a key scrolls to; undefined for keys that don't. Browsers glide there, which takes a while in a long list, and lose
 * a key that comes meanwhile.
 */
export function topAfter(key: string, { top, height, rowHeight, count }: View): number | undefined {
  // The head covers one row, and another one stays to be read on from.
  const page = Math.max(height - 2 * rowHeight, rowHeight);
  const bottom = count * rowHeight;
  switch (key) {
    case 'Home':
      return 0;
    case 'End':
      return bottom;
    case 'PageUp':
      return Math.max(0, top - page);
    case 'PageDown':
      return Math.min(bottom, top + page);
    default:
      return undefined;
  }
}

/** The places to be drawn: the window, and one row beside it, which has the focus and must not lose it by being scrolled away. */
export function places({ first, end }: Window, kept: number): number[] {
  const drawn = Array.from({ length: end - first }, (_, i) => first + i);
  if (kept < 0 || (kept >= first && kept < end)) return drawn;
  return kept < first ? [kept, ...drawn] : [...drawn, kept];
}
