import { admin } from './admin/admin.ts';
import { chat } from './chat.ts';
import { lasting } from './lasting.ts';
import { live } from './live.ts';
import { problems } from './problems.ts';
import { shared } from './shared.ts';
import { studio } from './studio.ts';
import { watch } from './watch.ts';

/** English. A `{name}` in a text is where a value goes that is shown in its own way. */
export const en = { language: { code: 'en', name: 'English' }, shared, problems, lasting, live, watch, chat, studio, admin };
