import { expect, test } from 'vitest';
import type { NodeReport, NodeRow } from '../src/api/nodes.ts';
import { Emptying, othersServe, stateOf } from '../src/pages/admin/nodes/draining.ts';
import { lag, mebibytes } from '../src/pages/admin/nodes/figures.ts';

const report: NodeReport = {
  started_at: '2026-01-31T12:00:00.000Z',
  version: '',
  draining: false,
  connections: 0,
  memory_bytes: 1,
  goroutines: 1,
};
const node = (id: string, said?: Partial<NodeReport>): NodeRow => ({ id, self: false, ...(said && { report: { ...report, ...said } }) });

test('a node serves, drains, is empty, or is not heard', () => {
  const nodes = [node('a', { connections: 3 }), node('a', { draining: true, connections: 3 }), node('a', { draining: true }), node('a')];
  expect(nodes.map(stateOf)).toEqual(['serving', 'draining', 'drained', 'silent']);
});

test('how far a node has drained is told by what it had before', () => {
  const emptying = new Emptying();
  expect(emptying.of(node('a', { connections: 40 }))).toBeUndefined();
  expect(emptying.of(node('a', { draining: true, connections: 30 }))).toEqual({ left: 30, all: 40 });
  expect(emptying.of(node('a'))).toBeUndefined();
  expect(emptying.of(node('a', { draining: true }))).toEqual({ left: 0, all: 40 });
  expect(emptying.of(node('b', { draining: true, connections: 5 })), 'a page that came late').toEqual({ left: 5, all: 5 });
});

test('who drains the last one that serves should know', () => {
  const rows = [node('a', {}), node('b', { draining: true })];
  expect(othersServe(rows, 'a')).toBe(false);
  expect(othersServe(rows, 'b')).toBe(true);
  expect(othersServe([...rows, node('c')], 'a'), 'one that is not heard may well serve').toBe(true);
});

test('figures have as many places as say something', () => {
  expect([mebibytes(12.34 * 1024 * 1024), mebibytes(4321 * 1024 * 1024)]).toEqual(['12.3', '4321']);
  expect([lag(0.234), lag(12.6)]).toEqual(['0.2', '13']);
});
