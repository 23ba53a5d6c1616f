import { ACME_CLIENT_VERSION, openAcmeClient, openCertBus } from './acme/contender.ts';
import { openRacer, type Racer } from './acme/racer.ts';
import { type Benchmark, quantile } from './figure.ts';
import { interleave, ratioOf } from './slices.ts';

const ROUNDS = 11;
const ORDERS = 40;

async function lapOf(racer: Racer): Promise<{ readonly cpuMs: number; readonly requests: number }> {
  const { lost, requests, cpuMs = Number.NaN } = await racer.order(ORDERS);
  if (lost.length > 0) throw new Error(`an order was lost: ${lost[0]}`);
  return { cpuMs: cpuMs / ORDERS, requests: requests / ORDERS };
}

/** `acme.order.cpu` and `acme.order.requests`: what one order of one name by http-01 takes, with its key and CSR. */
export const acmeOrder: Benchmark = async ({ quick }) => {
  const certbus = await openRacer(openCertBus, { challenge: 'http-01' });
  const acmeClient = await openRacer(openAcmeClient, { challenge: 'http-01' });
  const requests: number[] = [];
  try {
    const contenders = {
      async ours() {
        const lap = await lapOf(certbus);
        requests.push(lap.requests);
        return lap.cpuMs;
      },
      peer: async () => (await lapOf(acmeClient)).cpuMs,
      again: async () => (await lapOf(acmeClient)).cpuMs,
    };
    // Until the compilers have seen everything.
    await interleave(4, contenders);
    requests.length = 0;
    const cpu = await interleave(quick ? 3 : ROUNDS, contenders);
    const spread = (samples: readonly number[]) => ({
      value: quantile(samples, 0.5),
      low: quantile(samples, 0.25),
      high: quantile(samples, 0.75),
      n: samples.length,
    });
    return [
      { figure: 'acme.order.requests', unit: 'requests', ...spread(requests) },
      { figure: 'acme.order.cpu', unit: 'ms', ...spread(cpu.ours) },
      ratioOf('acme.order.cpu.acme-client', { against: `acme-client ${ACME_CLIENT_VERSION}`, ...cpu }),
    ];
  } finally {
    await certbus.close();
    await acmeClient.close();
  }
};
