import type { BroadcastRecord } from '../../../api/broadcasts.ts';
import type { Fact } from '../../../parts/Facts.svelte';
import { clockTime, fullTime, timeCode } from '../../../parts/time.ts';
import { reasonWords } from '../../../words/problems.ts';
import { words } from '../../../words/words.ts';
import { subjectOf } from '../filters.ts';
import { to } from '../route.svelte.ts';
import { lastedMs, watchedCode } from './figures.ts';

const text = words.admin.broadcasts;
const { nothing, lamp } = words.shared;

/** What is known of a broadcast beside its title. */
export function factsOf(record: BroadcastRecord, now: number): Fact[] {
  const { streamer, room, state, ended_at: ended, started_at: started } = record;
  return [
    { label: text.columns.streamer, value: streamer.name || streamer.id, title: streamer.id, href: to('broadcasts', subjectOf({ streamer: streamer.id })) },
    { label: text.columns.room, value: room, href: to('room', room) },
    { label: text.columns.reason, value: state === 'ended' ? reasonWords(record.reason) || nothing : lamp[state] },
    { label: text.columns.started, value: clockTime(started, now), title: fullTime(started), mono: true },
    { label: text.columns.ended, value: ended ? clockTime(ended, now) : nothing, ...(ended && { title: fullTime(ended) }), mono: true },
    { label: text.columns.lasted, value: timeCode(lastedMs(record, now)), mono: true },
    { label: text.one.peak, value: record.peak_viewers ?? nothing, mono: true },
    { label: text.one.unique, value: record.unique_viewers ?? nothing, mono: true },
    { label: text.one.watched, value: watchedCode(record) || nothing, mono: true },
    { label: text.one.category, value: record.category || nothing },
    { label: text.one.language, value: record.language || nothing },
    { label: text.one.tags, value: record.tags.join(', ') || nothing, wide: true },
    { label: text.one.id, value: record.id, mono: true, wide: true },
  ];
}
