/** Makes the solver that answers HTTP-01, as the configuration says. */
import type { Solver } from '@certbus/acme';
import { type Http01Settings, hostsOf } from '@certbus/manager';
import type { Surroundings } from '@certbus/solvers';

/** What solvers of HTTP-01 take from this machine. */
interface Http01Surroundings extends Pick<Surroundings, 'resolveSecret' | 'outgoing'> {
  /** Announces the challenges to the clients. */
  readonly publish: Solver['present'];
}

/** The solver that answers HTTP-01 the way the configuration says. Imported when needed: the AWS SDK takes a quarter of a second. */
export async function createHttp01Solver(
  { answer, port, resolver, probe: isProbed }: Http01Settings,
  { publish, resolveSecret, outgoing }: Http01Surroundings,
): Promise<Solver> {
  const probe = { port, resolver, probe: isProbed };
  if (answer === 'clients') {
    const { createHttp01ClientsSolver } = await import('@certbus/solvers/http-01-clients');
    return createHttp01ClientsSolver({ ...probe, publish });
  }
  if ('standalone' in answer) {
    const { createHttp01StandaloneSolver } = await import('@certbus/solvers/http-01-standalone');
    const { port: listenPort, address } = answer.standalone;
    return createHttp01StandaloneSolver({ ...probe, listenPort, address });
  }
  const { createHttp01S3Solver } = await import('@certbus/solvers/http-01-s3');
  const { accessKeyId, secretAccessKey, ...bucket } = answer.s3;
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey: resolveSecret(secretAccessKey, { hosts: hostsOf(bucket.endpoint) }) }
      : undefined;
  return createHttp01S3Solver({ ...probe, ...bucket, credentials, outgoing });
}
