/** The groups of commands in the help of `certbus` itself. */

/** What commands are for, and which these are: whole topics, or single commands. */
export const GROUPS: readonly (readonly [title: string, members: readonly string[]])[] = [
  ['SET UP', ['init', 'conf', 'provider', 'account', 'keygen', 'keys', 'alerts', 'aws']],
  ['CERTIFICATES', ['cert', 'campaign', 'plan', 'run']],
  ['LOAD BALANCERS', ['inspect', 'example-server']],
  ['THE BUS', ['bus', 'manager', 'recipient', 'root']],
  ['HELP', ['doctor', 'help', 'version', 'completion']],
];

/** The group that a command is in, by its id with colons; `undefined` for one that is in none. */
export function groupOf(id: string): string | undefined {
  const [topic = id] = id.split(':');
  return GROUPS.find(([, members]) => members.includes(topic))?.[0];
}
