import { freePort, type Pebble, startChallTestSrv, startPebble } from 'certbus-services';

/** What a contender's process is told of the CA, as JSON in its first argument; the Go program reads the same. */
export interface Site {
  readonly directory: string;
  /** PEM to trust the directory by. */
  readonly roots: string;
  /** Management address of the server that answers the challenges. */
  readonly answers: string;
  /** Address of the DNS server that the CA asks. */
  readonly dns: string;
  /** Where the CA validates HTTP-01. */
  readonly httpPort: number;
  readonly challenge: 'http-01' | 'dns-01';
}

/** What kind of CA to run. */
export interface CaOptions {
  readonly challenge: Site['challenge'];
  /** Share of good nonces refused; default 0, as at a CA in use. */
  readonly nonceRejectPercent?: number;
  /** Whether the contender serves HTTP-01 itself. Default false: the server at `answers` does. */
  readonly servesHttp?: boolean;
}

/** A CA with real validation for one contender alone. */
export interface Ca extends Site {
  readonly pebble: Pebble;
  close(): Promise<void>;
}

/** Starts Pebble without pauses, and what it validates against. */
export async function openCa({ challenge, nonceRejectPercent = 0, servesHttp = false }: CaOptions): Promise<Ca> {
  const httpPort = await freePort();
  const dns = await startChallTestSrv(servesHttp ? {} : { httpPort });
  const pebble = await startPebble({ dnsServer: dns.dns, httpPort, nonceRejectPercent });
  return {
    directory: pebble.directory,
    roots: pebble.roots,
    answers: dns.url,
    dns: dns.dns,
    httpPort,
    challenge,
    pebble,
    async close() {
      await pebble.stop();
      await dns.stop();
    },
  };
}
