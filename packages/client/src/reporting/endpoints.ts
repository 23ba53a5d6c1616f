/** Entry: pages over HTTP for the checks of a load balancer in front and for a monitor. */
import { openPages, type Pages, type PagesOptions } from '@certbus/store/service';
import type { Health } from '../health.ts';

export type { MetricsPage, Pages as Endpoints, PagesOptions as EndpointsOptions } from '@certbus/store/service';

/** What the pages ask, such as what `connect` and `openMaterial` give. */
export interface Reporting {
  health(): Health;
}

/**
 * Serves two pages: `/healthz`, the report as JSON without what strangers typed, with status 200 where `ready` is true and 503 otherwise; and
 * `/metrics`. For GET and HEAD. The server does not keep a process alive. Rejects with the error of `listen`, such as `EADDRINUSE`.
 */
export function openEndpoints(client: Reporting, options: PagesOptions): Promise<Pages> {
  return openPages(() => {
    const { missingNames: _typed, ...report } = client.health();
    return { ready: report.ready, report };
  }, options);
}
