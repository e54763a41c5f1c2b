import { execFileSync } from 'node:child_process';

/** A token as `tallylight token mint` makes it. */
export function mint(secret: string, ...flags: string[]): string {
  const binary = process.env['TALLYLIGHT_BINARY'] ?? 'tallylight';
  return execFileSync(binary, ['token', 'mint', '--jwt-secret', secret, ...flags], { encoding: 'utf8' }).trim();
}
