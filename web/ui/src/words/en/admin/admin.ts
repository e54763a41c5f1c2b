import { audit } from './audit.ts';
import { bans } from './bans.ts';
import { broadcasts } from './broadcasts.ts';
import { live } from './live.ts';
import { nodes } from './nodes.ts';
import { revocations } from './revocations.ts';
import { room } from './room.ts';
import { webhooks } from './webhooks.ts';

/** The dashboard; each view has a table of its own. */
export const admin = {
  place: 'Admin',
  purpose: 'see the dashboard',
  refused: (message: string) => `This token does not open the dashboard: ${message}.`,
  noScope: 'it has none of the scopes directory, service and admin',
  views: 'Views',

  live,
  room,
  broadcasts,
  nodes,
  webhooks,
  bans,
  revocations,
  audit,
};
