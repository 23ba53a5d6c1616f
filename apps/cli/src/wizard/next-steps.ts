/** What to do once a bus is set up: the first certificate, and what a load balancer needs. */

import { shellWord } from './answers.ts';

/** What was set up. */
export interface Made {
  readonly bus: string;
  /** The local configuration, where it is not in this folder. */
  readonly config: string | undefined;
  /** A domain to begin with, where one was named. */
  readonly domain: string | undefined;
  readonly hasDns: boolean;
  /** Whether browsers will not trust the certificates. */
  readonly isStaging: boolean;
}

/** The lines at the end of `certbus init`. */
export function nextSteps({ bus, config, domain, hasDns, isStaging }: Made): string[] {
  const from = config === undefined ? '' : ` --config ${config}`;
  const name = shellWord(domain ?? 'YOUR.DOMAIN');
  // The www. name need not lead here, and the first certificate is not to fail for it.
  const make = `certbus cert mk ${hasDns ? '--wildcard' : '--subdomain --challenge http-01'} ${name}`;
  const isFile = bus.startsWith('sqlite:');
  return [
    '',
    'The first certificate:',
    '',
    `  ${make}${from}`,
    '',
    ...(hasDns ? [] : [`The CA asks port 80 of ${name}: run a load balancer there first.`, '']),
    'A load balancer needs:',
    '',
    '  files   bus.pub (mode 0644) and loadbalancer.key (mode 0600); no other key',
    ...(isFile
      ? ['  bus     read access to its file, so it has to run on this machine']
      : [
          '  bus     read access to its table; the policy for that is printed by',
          '          certbus bus bootstrap --policy load-balancer',
        ]),
    '  client  certbus-agent for nginx and HAProxy; a Node server, from a checkout:',
    '          npm run -s install-packed -- FOLDER @certbus/client',
    '',
    `Look at one:  certbus example-server${from}`,
    `Check one:    certbus doctor --load-balancer${from}`,
    ...(isStaging
      ? ['', 'Browsers do not trust the staging CA. Once all works:', '', `  certbus conf use production${from}`]
      : []),
  ];
}
