/** The address of an API that solvers call. */

/**
 * Reads an API's address. Throws `TypeError`, which does not say the address, where it is none or holds credentials: those belong in
 * fields of their own.
 */
export function parseApiUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new TypeError('The address of the API is not an http or https URL');
  if (url.username || url.password) throw new TypeError('The address of the API must not hold a user name or password');
  return url;
}
