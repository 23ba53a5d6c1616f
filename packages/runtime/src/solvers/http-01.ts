/** Makes the solver that answers HTTP-01, as the configuration says. */
import type { Solver } from '@certbus/acme';
import { type Http01Settings, hostsOf, resolveSecret, type SecretSource } from '@certbus/manager';

/** The solver that answers HTTP-01 the way the configuration says. Imported when needed: the AWS SDK takes a quarter of a second. */
export async function createHttp01Solver(
  { answer, port, resolver }: Http01Settings,
  { publish, secrets }: { readonly publish: Solver['present']; readonly secrets: SecretSource },
): Promise<Solver> {
  const probe = { port, resolver };
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
      ? { accessKeyId, secretAccessKey: resolveSecret(secretAccessKey, secrets, { hosts: hostsOf(bucket.endpoint) }) }
      : undefined;
  return createHttp01S3Solver({ ...probe, ...bucket, credentials });
}
