/** Reads domains of the configuration, as people write them. */
import { domainToASCII } from 'node:url';

/** A domain as names have it: in ASCII and lower case, without the final dot. `*` stays what it is. */
export const plainDomain = (domain: string): string => domainToASCII(domain).replace(/\.$/, '');
