/** Words and flags for fields that several providers have. */
import type { ProviderFlag } from './provider.ts';

/** Of the zones that settings are for. */
export const zones = 'domains; the longest that fits a name counts, "*" fits all';

/** Of the certificates that the TLS of an API is checked with. */
export const roots = "PEM of a private CA's roots, for the TLS of the API";

/** Of the fields in `lookup`. */
export const lookup: {
  readonly zones: string;
  readonly resolver: string;
  readonly nameServers: string;
  readonly followAliases: string;
} = {
  zones,
  resolver: "ADDRESS or ADDRESS:PORT of the resolvers to ask; the system's where absent",
  nameServers:
    'servers that must show an answer; those of the zone where absent, false where none can be asked from here',
  followAliases: 'whether answers go where CNAMEs lead, true where absent; false: to the name itself',
};

/** The flag for the address of an API, in the field `url`. */
export function urlFlag(question: string): ProviderFlag {
  return { name: 'dns-url', description: 'address of {providers}', field: ['url'], question };
}
