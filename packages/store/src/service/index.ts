/** Entry: what a service tells its machine: systemd, the checks in front of it, and a monitor. */
export {
  type HealthReport,
  type MetricsPage,
  openPages,
  type Pages,
  type PagesOptions,
} from './pages.ts';
export { notifySystemd, startWatchdog, watchdogEveryMs } from './systemd.ts';
