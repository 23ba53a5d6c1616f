import { ACME_CLIENT_VERSION, type OpenContender, openAcmeClient, openCertBus } from './acme/contender.ts';
import { openRacer } from './acme/racer.ts';
import type { Benchmark } from './figure.ts';

async function lostOf(open: OpenContender, orders: number): Promise<number> {
  const racer = await openRacer(open, { challenge: 'http-01', nonceRejectPercent: 50 });
  try {
    return (await racer.order(orders)).lost.length;
  } finally {
    await racer.close();
  }
}

/** `acme.badnonce`: how many of 500 orders are lost at a CA that refuses half of all good nonces. */
export const acmeBadNonce: Benchmark = async ({ quick }) => {
  const orders = quick ? 50 : 500;
  const value = await lostOf(openCertBus, orders);
  const peer = await lostOf(openAcmeClient, orders);
  const against = `acme-client ${ACME_CLIENT_VERSION}, which lost ${peer} of ${orders}`;
  return [{ figure: 'acme.badnonce', value, unit: 'orders lost', against, low: value, high: value, n: orders }];
};
