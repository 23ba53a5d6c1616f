/** Parses the values of CAA `issue` properties. */

/** The value of an `issue` property (RFC 8659 §4.2): whom it allows, and on what terms. */
export interface IssueValue {
  /** Lower case; empty where no CA is allowed. */
  readonly issuer: string;
  /** By lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Takes a value apart; `undefined` where it is malformed, or says a parameter twice. */
export function parseIssueValue(text: string): IssueValue | undefined {
  const [issuer = '', ...rest] = text.split(';').map((each) => each.trim());
  const parameters = new Map<string, string>();
  for (const parameter of rest.filter((each) => each !== '')) {
    const [, tag, value] = /^([a-z0-9-]+)\s*=\s*([\x21-\x3a\x3c-\x7e]*)$/i.exec(parameter) ?? [];
    if (tag === undefined || value === undefined || parameters.has(tag.toLowerCase())) return undefined;
    parameters.set(tag.toLowerCase(), value);
  }
  return { issuer: issuer.toLowerCase().replace(/\.$/, ''), parameters };
}
