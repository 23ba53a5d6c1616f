/** A place that takes alerts as a webhook does, and can be broken, for tests. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { AlertMessage } from './message.ts';

/** What a webhook was sent of one alert, as JSON has it. */
export type Received = Omit<AlertMessage, 'since' | 'until'> & { readonly since: string; readonly until?: string };

/** A webhook on loopback, whose URL has a path that is as good as a secret. */
export interface HookServer {
  readonly url: string;
  /** Each request's alerts, oldest first. */
  readonly requests: readonly (readonly Received[])[];
  /** All of them, such as `raised failing SUBJECT`. */
  said(): string[];
  /** How it answers from now on; `undefined`: it takes everything. */
  breakWith(answer: RequestListener | undefined): void;
}

/** Starts a webhook, until the test is finished. */
export async function startHook(): Promise<HookServer> {
  const requests: Received[][] = [];
  let broken: RequestListener | undefined;
  const server = createServer((request, response) => {
    if (broken) {
      broken(request, response);
      return;
    }
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      requests.push((JSON.parse(text) as { readonly alerts: Received[] }).alerts);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path?key=secret-key`,
    requests,
    said: () => requests.flat().map(({ status, alert, subject }) => `${status} ${alert} ${subject}`),
    breakWith(answer) {
      broken = answer;
    },
  };
}
