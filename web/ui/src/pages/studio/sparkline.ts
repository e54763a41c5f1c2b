/** The points of a line through values, as SVG takes them. It begins at zero, so that a small unrest looks small. */
export function pointsOf(values: readonly number[], width: number, height: number): string {
  const highest = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  return values.map((value, i) => `${round(i * step)},${round(height * (1 - value / highest))}`).join(' ');
}

const round = (n: number) => Math.round(n * 10) / 10;
