/** The other address of a service, which addresses of buses and archives take, and options of adapters. */

/** What is wrong with an endpoint, without a word of it; `undefined` where nothing is. It is shown with the address, in errors and in logs. */
export function endpointProblem(endpoint: string): string | undefined {
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol)) return 'its endpoint is not an http or https URL';
  if (url.username === '' && url.password === '') return undefined;
  return 'its endpoint has a user name or a password, which nobody asks for: credentials are those of AWS';
}

/** Throws a `TypeError` for an endpoint, of an option, that cannot be used. */
export function checkEndpoint(endpoint: string | undefined): void {
  const problem = endpoint === undefined ? undefined : endpointProblem(endpoint);
  if (problem) throw new TypeError(`This service cannot be called: ${problem}`);
}

/** An address that is refused, for people: whole, or its beginning alone where a password may be in it. */
export function shownAddress(address: string): string {
  const isOpen = /^(?:sqlite|file|memory):/.test(address) || !/@|%40/i.test(address);
  return JSON.stringify(isOpen ? address.slice(0, 200) : `${/^[a-z\d]*:?/i.exec(address)?.[0] ?? ''}…`);
}
