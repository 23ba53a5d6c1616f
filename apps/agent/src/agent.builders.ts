/** A bus with certificates, and agents that follow it, for the tests of the targets. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { createId, type EventOf, parseIdentityFile, seal, sha256 } from '@certbus/events';
import { BEGINNING, type WrittenEvent } from '@certbus/events/history';
import { createIssuer, createKeys, createLeaf, privateKeyPem, temporaryFolder } from 'certbus-services';
import { onTestFinished } from 'vitest';
import { type Agent, type AgentOptions, startAgent } from './agent.ts';
import { parseConfiguration, type ResolvedConfiguration } from './configuration/read-configuration.ts';

/** A bus, and a machine with an agent on it. */
export interface Site {
  readonly bus: TestBus;
  readonly folder: string;
  /** Lines that agents logged. */
  readonly lines: readonly string[];
  /** Moves the clock of the agents on. */
  advance(ms: number): void;
  /** `agent.json` with these targets. */
  configuration(
    targets: readonly Record<string, unknown>[],
    more?: Readonly<Record<string, unknown>>,
  ): ResolvedConfiguration;
  /** Starts an agent with these targets; it is stopped when the test ends. */
  start(
    targets: readonly Record<string, unknown>[],
    more?: Readonly<Record<string, unknown>>,
    options?: Pick<AgentOptions, 'reconcileEveryMs'>,
  ): Promise<Agent>;
}

/** Makes a bus in a file, and the files of a machine. */
export async function createSite(): Promise<Site> {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const bus = await createTestBus({ address: `sqlite:${join(folder, 'bus.db')}#test` });
  onTestFinished(() => bus.close());
  writeFileSync(join(folder, 'bus.pub'), bus.trust);
  writeFileSync(join(folder, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  const lines: string[] = [];
  let aheadMs = 0;
  const configurationOf: Site['configuration'] = (targets, more = {}) => {
    const configuration = {
      bus: 'sqlite:./bus.db#test',
      trust: 'bus.pub',
      identity: 'loadbalancer.key',
      stateDirectory: join(folder, 'state'),
      intervalMs: 100,
      targets,
      ...more,
    };
    return parseConfiguration(JSON.stringify(configuration), join(folder, 'agent.json'));
  };
  return {
    bus,
    folder,
    lines,
    advance(ms) {
      aheadMs += ms;
    },
    configuration: configurationOf,
    async start(targets, more = {}, options = {}) {
      const log = (line: string) => lines.push(line);
      const agent = await startAgent(configurationOf(targets, more), {
        ...{ ...options, log, now: () => new Date(Date.now() + aheadMs) },
      });
      onTestFinished(() => agent.stop());
      return agent;
    },
  };
}

/** A certificate's newest event, of a bus that is not this one: its key was sealed to others. */
export async function sealedToOthers(names: readonly string[]): Promise<EventOf<'CertificateObtained'>> {
  const stranger = await createSite();
  await stranger.bus.issue(names);
  const { commits } = await stranger.bus.bus.read(BEGINNING);
  const obtained = commits.flatMap(({ events }) => events).find(({ type }) => type === 'CertificateObtained')?.event;
  if (obtained?.type !== 'CertificateObtained') throw new Error('no certificate was obtained');
  return obtained;
}

/** A renewal of a certificate whose key opens at a site, and belongs to another certificate. */
export async function withAnotherKey(
  { bus }: Site,
  certificateId: string,
  names: readonly string[],
): Promise<readonly WrittenEvent[]> {
  const [issuer, keys, others] = [await createIssuer('Another issuer'), await createKeys(), await createKeys()];
  const leaf = await createLeaf({ issuer, names, publicKey: keys.publicKey });
  const issuerDer = Buffer.from(issuer.certificate.rawData);
  const { recipient } = await parseIdentityFile(bus.identity);
  return [
    { type: 'IssuerAdded', hash: sha256(issuerDer), certificate: issuerDer.toString('base64') },
    {
      ...{ type: 'CertificateObtained', issuanceId: createId(), certificateId, reason: 'renewal', names: [...names] },
      leaf: Buffer.from(leaf.rawData).toString('base64'),
      issuers: [sha256(issuerDer)],
      sealedKey: await seal(await privateKeyPem(others), [{ name: 'test', recipient }]),
      serialNumber: leaf.serialNumber.toUpperCase(),
      notBefore: leaf.notBefore.toISOString(),
      notAfter: leaf.notAfter.toISOString(),
      challengeType: 'dns-01',
      directory: 'https://ca.test/directory',
    },
  ];
}
