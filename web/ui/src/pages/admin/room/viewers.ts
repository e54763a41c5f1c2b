import { getBroadcast } from '../../../api/broadcasts.ts';
import { Curves } from '../live/curves.svelte.ts';

/** How many viewed a room: what the record has of the broadcast, and from now on what is heard. */
export function viewersOf(token: string, broadcast: string | undefined, look: () => number | undefined): Curves {
  const curves: Curves = new Curves(1, () => {
    const viewers = look();
    if (viewers === undefined) return curves.times.length > 0 ? [null] : undefined;
    return [viewers];
  });
  if (broadcast !== undefined) void begin(curves, token, broadcast);
  return curves;
}

/** The curve may begin without what was before: the record may be away, or not have it yet. */
async function begin(curves: Curves, token: string, broadcast: string): Promise<void> {
  const past = (await getBroadcast(token, broadcast).catch(() => undefined))?.viewers ?? [];
  if (past.length > 0) curves.begin(past.map(({ at }) => Date.parse(at)), [past.map(({ viewers }) => viewers)]);
}
