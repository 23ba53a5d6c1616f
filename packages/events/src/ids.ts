/** Ids of certificates and issuances. */

/** Draws an id: 8 random bytes in base64url, without a leading dash, which a command line would take for a flag. */
export function createId(): string {
  for (;;) {
    const id = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
