import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds the program that the tests run, unless $TALLYLIGHT_BINARY names one. */
export default function build(): (() => void) | undefined {
  if (process.env['TALLYLIGHT_BINARY']) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'tallylight-bin-'));
  const binary = join(folder, 'tallylight');
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync('go', ['build', '-o', binary, './cmd/tallylight'], { cwd: root, stdio: 'inherit' });
  process.env['TALLYLIGHT_BINARY'] = binary;
  return () => rmSync(folder, { recursive: true, force: true });
}
