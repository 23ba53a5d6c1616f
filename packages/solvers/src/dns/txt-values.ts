/** A TXT record's value in the master-file form that DNS hosts take: one quoted string. */
export function quote(value: string): string {
  return `"${value}"`;
}

/** Values with ours among them; those of others keep their places. */
export function withValues(current: readonly string[], ours: readonly string[]): string[] {
  return [...new Set([...current, ...ours])];
}

/** Values without ours. */
export function withoutValues(current: readonly string[], ours: readonly string[]): string[] {
  return current.filter((value) => !ours.includes(value));
}
