import { randomBytes } from 'node:crypto';
import { presentedChallenge, type Solver } from '@certbus/acme';
import type { Configuration } from '../configuration.ts';
import type { Context } from '../context.ts';
import { solverFor } from '../solvers.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

const token = (): string => randomBytes(32).toString('base64url');

/**
 * Writes a value under `_acme-challenge.certbus-doctor-….DOMAIN`, waits until every authoritative name server shows it, and takes it
 * away again: what a DNS-01 order would do.
 */
export async function examineDns(
  context: Context,
  { config, domain, signal }: { readonly config: Configuration; readonly domain: string; readonly signal: AbortSignal },
): Promise<Finding> {
  const { good, failed } = findingsOn('dns', domain);
  const name = `certbus-doctor-${randomBytes(6).toString('hex')}.${domain}`;
  const challenges = [
    presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token: token() }, token()),
  ];
  const publish: Solver['present'] = async () => {};
  const start = performance.now();
  try {
    const solver = await solverFor(config, { names: [name], challengeType: 'dns-01', publish }, context.solvers);
    try {
      await solver.present(challenges, { signal });
      await solver.ready(challenges, { signal });
    } finally {
      await solver.cleanUp(challenges, { signal: AbortSignal.timeout(30_000) });
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    return good(`a TXT value was written, seen at every authoritative server and taken away in ${seconds} s`);
  } catch (error) {
    signal.throwIfAborted();
    return failed(
      reasonFor(error),
      `Look at the settings under "dns" that cover ${domain}: credentials, zone, delegation.`,
    );
  }
}
