/** Examines whether values can be written into a domain's DNS. */
import { randomBytes } from 'node:crypto';
import { presentedChallenge, type ReadyOptions, type Solver } from '@certbus/acme';
import type { Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { dnsSettingsFor, solverFor } from '../issuance/solvers.ts';
import { type Finding, findingsOn, reasonFor } from './finding.ts';

const token = (): string => randomBytes(32).toString('base64url');

/** What to try in DNS. */
export interface DnsLook {
  readonly config: Configuration;
  /** What the finding is about. */
  readonly domain: string;
  /** The name at which a value is written: credentials may allow no other, and aliases and accounts are for single names. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Called when what is waited for has changed. */
  readonly onWaiting?: ReadyOptions['onWaiting'];
}

/**
 * Writes a value under `_acme-challenge.NAME`, next to those that are there, waits until every authoritative name server shows it, and
 * takes it away again: what a DNS-01 order would do.
 */
export async function examineDns(
  context: Context,
  { config, domain, name, signal, onWaiting }: DnsLook,
): Promise<Finding> {
  const { good, warning, failed } = findingsOn('dns', domain);
  const warnings: string[] = [];
  const challenges = [
    presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token: token() }, token()),
  ];
  const where = challenges.map(({ dnsName }) => dnsName).join();
  const publish: Solver['present'] = async () => {};
  const start = performance.now();
  try {
    const solver = await solverFor(config, { names: [name], challengeType: 'dns-01', publish }, context.solvers);
    const cleanUp = () => solver.cleanUp(challenges, { signal: AbortSignal.timeout(30_000) });
    try {
      await solver.present(challenges, { signal });
      await solver.ready(challenges, { signal, onWaiting, onWarning: (message) => warnings.push(message) });
    } catch (error) {
      // What failed first is what to report; a clean-up that fails after it has the same cause, or none of its own.
      await cleanUp().catch(() => {});
      throw error;
    }
    await cleanUp();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const isUnseen = dnsSettingsFor(config, name)?.nameServers === false;
    const seen = isUnseen ? '' : ', seen at every authoritative server';
    if (warnings.length > 0)
      return warning(
        `a TXT value was written at ${where} and taken away in ${seconds} s. ${warnings.join(' ')}`,
        'Certificates are issued all the same.',
      );
    return good(`a TXT value was written at ${where}${seen} and taken away in ${seconds} s`);
  } catch (error) {
    signal.throwIfAborted();
    return failed(
      reasonFor(error),
      `Look at the settings under "dns" that cover ${name}: credentials, zone, delegation.`,
    );
  }
}
