/** The directory resource. */
import { randomBytes } from 'node:crypto';
import type { Ca } from '../ca.ts';
import type { Received, Reply } from '../exchange.ts';
import { PATHS } from '../urls.ts';

/** Answers what the CA is and where its resources are (RFC 8555 §7.1.1, draft-ietf-acme-profiles). */
export function readDirectory({ settings, terms }: Ca, { origin }: Received): Reply {
  const { website, caaIdentities, externalAccountRequired, profiles } = settings;
  const { directory: _, keyChange, ...others } = PATHS;
  const resources = settings.keyChange === 'absent' ? others : { keyChange, ...others };
  const urls = Object.entries(resources).map(([name, path]) => [name, `${origin}${path}`]);
  const described = Object.entries(profiles).map(([name, { description }]) => [name, description]);
  return {
    status: 200,
    body: {
      ...Object.fromEntries(urls),
      // As at Let's Encrypt: clients have to bear names that they do not know.
      [randomBytes(8).toString('base64url')]: 'https://ca.test/adding-random-entries-to-the-directory',
      meta: {
        ...(terms.url === null ? {} : { termsOfService: terms.url }),
        website,
        caaIdentities,
        externalAccountRequired,
        profiles: Object.fromEntries(described),
      },
    },
  };
}
