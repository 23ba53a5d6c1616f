/** Entry: the way from this machine to other hosts, through a proxy where one is named. */
export type { AgentOptions, Agents } from './agents.ts';
export { type CheckInOptions, checkIn } from './check-in.ts';
export type { DispatcherOptions } from './dispatcher.ts';
export { createOutgoing, type Outgoing } from './outgoing.ts';
export { type PostOptions, postJson } from './post-json.ts';
export type { ProxyOptions, ProxySetting, RouteOptions } from './routes.ts';
