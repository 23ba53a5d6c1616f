/** Answers dns-01 in pebble-challtestsrv, for sandbox and tests. */
import type { PresentedChallenge, Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { parseApiUrl } from '../../dns/api-url.ts';
import { createHolders, type Holders } from '../../dns/holders.ts';
import type { ChallTestSrvSettings } from './settings.ts';

/** Where the sandbox's DNS server takes orders. */
export interface ChallTestSrvOptions {
  /** Management address of pebble-challtestsrv, such as `http://127.0.0.1:8055`. */
  readonly url: string;
}

interface Host {
  /** What is there, as far as this program put it. */
  readonly values: Set<string>;
  readonly holders: Holders;
  /** The last change, on which the next one waits. */
  turn: Promise<unknown>;
}

/**
 * What this program has published, by server and host. The server can only forget all values of a host at once, so every solver of
 * the program has to know those of the others.
 */
const published = new Map<string, Host>();

function failed(url: string, path: string, why: string, cause?: unknown): AcmeError {
  const message = `The sandbox DNS server at ${url} did not take ${path}: ${why}. Is it running, and is this its management address?`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
}

/**
 * Answers dns-01 by the management API of pebble-challtestsrv: for sandbox and tests, never for real names. Values that another
 * program published under the same name are lost when this one cleans up. Operations reject with `CERTBUS_ACME_SOLVER_FAILED`; an address with a
 * password in it is a `TypeError`.
 */
export function createChallTestSrvSolver({ url }: ChallTestSrvOptions): Solver {
  parseApiUrl(url);
  async function post(path: 'set-txt' | 'clear-txt', body: object, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
    let status: number;
    try {
      const response = await fetch(new URL(`/${path}`, url), {
        method: 'POST',
        body: JSON.stringify(body),
        signal: limit,
      });
      await response.arrayBuffer();
      status = response.status;
    } catch (cause) {
      signal.throwIfAborted();
      throw failed(url, path, 'it cannot be reached', cause);
    }
    if (status !== 200) throw failed(url, path, `HTTP ${status}`);
  }

  /** Runs changes of one host one after another, also those of other solvers. */
  async function change(name: string, act: (host: Host) => Promise<void>): Promise<void> {
    const key = `${url} ${name}`;
    const host = published.get(key) ?? {
      values: new Set<string>(),
      holders: createHolders(() => new Date()),
      turn: Promise.resolve(),
    };
    published.set(key, host);
    const turn = host.turn.then(() => act(host));
    host.turn = turn.catch(() => {});
    const mine = host.turn;
    await turn.finally(() => {
      if (host.values.size === 0 && host.turn === mine) published.delete(key);
    });
  }

  const me = {};

  const publish = ({ dnsName, dnsValue }: PresentedChallenge, signal: AbortSignal) =>
    change(dnsName, async ({ values, holders }) => {
      if (!values.has(dnsValue)) await post('set-txt', { host: `${dnsName}.`, value: dnsValue }, signal);
      values.add(dnsValue);
      holders.hold(dnsValue, me);
    });

  const withdraw = ({ dnsName, dnsValue }: PresentedChallenge, signal: AbortSignal) =>
    change(dnsName, async ({ values, holders }) => {
      if (!holders.release(dnsValue, me)) return;
      values.delete(dnsValue);
      await post('clear-txt', { host: `${dnsName}.` }, signal);
      for (const value of values) await post('set-txt', { host: `${dnsName}.`, value }, signal);
    });

  return {
    challenges: ['dns-01', 'dns-account-01'],
    async present(challenges, { signal }) {
      for (const challenge of challenges) await publish(challenge, signal);
    },
    // What it was told, it answers.
    async ready() {},
    async cleanUp(challenges, { signal }) {
      for (const challenge of challenges) await withdraw(challenge, signal);
    },
  };
}

/** The solver of settings in the configuration. */
export function createFromSettings({ url }: ChallTestSrvSettings): Solver {
  return createChallTestSrvSolver({ url });
}
