/** The region and the other address of a service of AWS, which addresses of buses and archives take, and options of adapters. */

/** What is wrong with an endpoint, without a word of it; `undefined` where nothing is. It is shown with the address, in errors and in logs. */
function endpointProblem(endpoint: string): string | undefined {
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol)) return 'its endpoint is not an http or https URL';
  if (url.username === '' && url.password === '') return undefined;
  return 'its endpoint has a user name or a password, which nobody asks for: credentials are those of AWS';
}

/** A name of a region. Signed for `EU-CENTRAL-1`, a request is refused as one with a wrong signature. */
const REGION = /^[a-z\d]+(?:-[a-z\d]+)*$/;

/**
 * What is wrong with the parameters of an address in AWS, besides those that it does not have; `undefined` where nothing is. No value is in it: an endpoint can
 * have a password.
 */
export function parametersProblem(parameters: URLSearchParams): string | undefined {
  for (const key of parameters.keys()) {
    if (parameters.getAll(key).length > 1) return `it has more than one ${key}`;
    if (parameters.get(key) === '') return `its ${key} is empty`;
  }
  const region = parameters.get('region');
  if (region !== null && !REGION.test(region))
    return 'its region has other characters than small letters, digits and dashes, such as eu-central-1 has';
  const endpoint = parameters.get('endpoint');
  return endpoint === null ? undefined : endpointProblem(endpoint);
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
