import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CaReady, CaReport, CaRequest } from './mass-ca.ts';

/** The strict ACME server in a process of its own. */
export interface CaProcess extends CaReady, AsyncDisposable {
  ask(request: CaRequest): Promise<void>;
  report(): Promise<CaReport>;
}

/** Starts it, with room for so many new orders at once. */
export async function startCaProcess(newOrders: number): Promise<CaProcess> {
  const program = fileURLToPath(new URL('mass-ca.ts', import.meta.url));
  const child = fork(program, [String(newOrders)], { execArgv: ['--conditions=certbus:source'] });
  const ended = once(child, 'exit');
  const [{ directory, roots }] = (await once(child, 'message')) as [CaReady];
  async function ask(request: CaRequest): Promise<CaReport | undefined> {
    child.send(request);
    const [{ answer }] = (await once(child, 'message')) as [{ answer: CaReport | undefined }];
    return answer;
  }
  return {
    directory,
    roots,
    ask: async (request) => void (await ask(request)),
    async report() {
      const said = await ask({ what: 'report' });
      if (!said) throw new TypeError('a report was asked for');
      return said;
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
