/** A bus with certificates, and agents that follow it, for the tests of the targets. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { onTestFinished } from 'vitest';
import { type Agent, startAgent } from './agent.ts';
import { parseConfiguration } from './configuration/read-configuration.ts';

/** A bus, and a machine with an agent on it. */
export interface Site {
  readonly bus: TestBus;
  readonly folder: string;
  /** Lines that agents logged. */
  readonly lines: readonly string[];
  /** Starts an agent with these targets; it is stopped when the test ends. */
  start(targets: readonly Record<string, unknown>[], more?: Readonly<Record<string, unknown>>): Promise<Agent>;
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
  return {
    bus,
    folder,
    lines,
    async start(targets, more = {}) {
      const configuration = {
        bus: 'sqlite:./bus.db#test',
        trust: 'bus.pub',
        identity: 'loadbalancer.key',
        stateDirectory: join(folder, 'state'),
        intervalMs: 100,
        targets,
        ...more,
      };
      const parsed = parseConfiguration(JSON.stringify(configuration), join(folder, 'agent.json'));
      const log = (line: string) => lines.push(line);
      const agent = await startAgent(parsed, { log });
      onTestFinished(() => agent.stop());
      return agent;
    },
  };
}
