/**
 * The JSON objects of one text frame. The server merges what is waiting for a connection into one frame, an object
 * a line. A line that is not a JSON object is skipped: one bad line must not cost the good ones.
 */
export function splitFrame(text: string): Record<string, unknown>[] {
  const objects: Record<string, unknown>[] = [];
  for (const line of text.split('\n')) {
    const value = parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      objects.push(value as Record<string, unknown>);
    }
  }
  return objects;
}

function parse(line: string): unknown {
  if (line.trim() === '') return undefined;
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
