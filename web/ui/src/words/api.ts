import { Problem } from '../api/request.ts';
import { words } from './words.ts';

const { problems } = words;

/** What a person is told when the HTTP API said no, or nothing. */
export function problemWords(error: unknown): string {
  if (error instanceof TypeError) return problems.unreachable; // fetch got no answer
  if (!(error instanceof Problem)) return problems.ourFault;
  // The server's own words say more than ours could: which field is wrong, which scope is missing.
  if (error.status === 401) return problems.errors.unauthorized;
  if (error.status >= 500) return problems.errors[error.code === 'unavailable' ? 'unavailable' : 'internal'];
  return problems.refused(error.message);
}
