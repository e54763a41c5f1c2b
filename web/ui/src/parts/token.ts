import type { Verdict } from '@tallylight/client';
import { words } from '../words/words.ts';

/**
 * The token of this page. It comes in the fragment of a link, which browsers send to no server, and is kept for the
 * tab under the page's path: a tab may watch one room and stream in another.
 */
const key = () => `tallylight.token:${location.pathname}`;

/** Moves a token out of the address bar, where a streamer who shares her screen would show it to everybody. */
export function takeTokenFromAddress(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')?.trim();
  if (token) {
    sessionStorage.setItem(key(), token);
    history.replaceState(history.state, '', location.pathname + location.search);
  }
  return storedToken();
}

export function storedToken(): string | undefined {
  return sessionStorage.getItem(key()) ?? undefined;
}

export function storeToken(token: string): void {
  sessionStorage.setItem(key(), token);
}

/** The token in what somebody pasted: people paste the whole link as often as the token. */
export function tokenIn(pasted: string): string {
  return /[#&]token=([^&\s]+)/.exec(pasted)?.[1] ?? pasted.trim();
}

/** A link opened in a tab that shows the page already changes only the fragment: then start over with it. */
export function watchAddress(): void {
  window.addEventListener('hashchange', () => {
    const before = storedToken();
    if (takeTokenFromAddress() !== before) location.reload();
  });
}

/** What is wrong with a token, in words; undefined when nothing is. */
export function verdictWords(verdict: Verdict): string | undefined {
  switch (verdict.kind) {
    case 'valid':
      return undefined;
    case 'refused':
      return words.shared.token.refused(verdict.message);
    case 'busy':
      return words.shared.token.busy;
    case 'unknown':
      return words.shared.token.unknown;
  }
}
