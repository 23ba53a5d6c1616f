/** Pages of the agent over HTTP: `/healthz` and `/metrics`. */
import { openEndpoints } from '@certbus/client/endpoints';
import type { MaterialSource } from '@certbus/client/material';
import { collectMetrics } from '@certbus/client/metrics';
import { Registry } from 'prom-client';
import { AgentError } from '../errors.ts';
import type { Alarms } from './alarms.ts';
import type { AgentHealth } from './health.ts';
import { collectTargetMetrics, type MeasuredTargets } from './target-metrics.ts';

/** Pages that are served. */
export interface AgentEndpoints {
  /** `HOST:PORT`. */
  readonly address: string;
  close(): Promise<void>;
}

/** What the pages show: the report of the agent, and its certificates. */
export interface Shown extends Pick<MeasuredTargets, 'standings'> {
  readonly source: Pick<MaterialSource, 'certificates' | 'on'>;
  readonly alarms: Pick<Alarms, 'listen'>;
  health(): AgentHealth;
}

const LOOPBACK = '127.0.0.1';

/**
 * Serves `/healthz`, the report as JSON, with status 200 where `ready` is true and 503 otherwise, and `/metrics`, those of the client and of
 * the targets. Rejects `CERTBUS_AGENT_CONFIG_INVALID` where that cannot be listened on.
 *
 * @param host address to listen on; default 127.0.0.1.
 */
export async function startEndpoints(
  { port, host = LOOPBACK }: { readonly port: number; readonly host?: string | undefined },
  { source, alarms, health, standings }: Shown,
): Promise<AgentEndpoints> {
  const metrics = new Registry();
  collectMetrics(
    {
      health,
      certificates: () => source.certificates(),
      on(event: 'alarm' | 'changed', listener: (argument: never) => void) {
        if (event === 'alarm') alarms.listen(listener as (error: Error) => void);
        return source.on(event, listener as never);
      },
    },
    metrics,
  );
  collectTargetMetrics({ health, standings }, metrics);
  const shownHost = host.includes(':') ? `[${host}]` : host;
  try {
    const endpoints = await openEndpoints({ health }, { port, host, metrics });
    return { address: `${shownHost}:${endpoints.port}`, close: () => endpoints.close() };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const what = `/healthz and /metrics cannot be served on ${shownHost}:${port}, which is "endpoints" in the configuration (${why}). Name a free port from 1024 on, and an address of this machine.`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what, { cause });
  }
}
