import { expect, test } from 'vitest';
import { splitFrame } from '../src/frame.ts';

test.each([
  ['one object', '{"type":"ok"}', [{ type: 'ok' }]],
  ['several objects', '{"a":1}\n{"b":2}\n{"c":3}', [{ a: 1 }, { b: 2 }, { c: 3 }]],
  ['a newline at the end', '{"a":1}\n', [{ a: 1 }]],
  ['an escaped newline inside', '{"text":"a\\nb"}', [{ text: 'a\nb' }]],
  ['a bad line among good ones', '{"a":1}\n{oops\n{"c":3}', [{ a: 1 }, { c: 3 }]],
  ['what is no object', '[1]\n7\nnull\n"x"\n{"a":1}', [{ a: 1 }]],
  ['nothing', '', []],
])('%s', (_name, frame, want) => {
  expect(splitFrame(frame)).toEqual(want);
});
