/** What a bus has said, as a plain list: the model that a load balancer is compared with. */
import type { TestCertificate } from '../testing.ts';

/** A certificate that came, or went where it has no serial number. */
interface Said {
  readonly position: number;
  readonly at: Date;
  readonly names: readonly string[];
  readonly certificateId: string;
  readonly serialNumber: string | undefined;
  readonly notAfter: Date;
}

/** What a load balancer at some position has to report. */
export interface Standing {
  readonly newestCommitAt: Date;
  /** When each certificate that is served ends. */
  readonly ends: readonly Date[];
}

/** What a bus has said. */
export interface History {
  /** Position of the newest commit. */
  readonly head: number;
  /** All names that it ever had a certificate for, wildcards as such. */
  readonly names: ReadonlySet<string>;
  issued(certificate: TestCertificate, said: Pick<Said, 'names' | 'at' | 'notAfter'>): void;
  /** Notes that the certificate for exactly these names was removed. */
  removed(certificateId: string, at: Date): void;
  /** Id of the certificate for a name at the head; `undefined` where there is none. */
  idOf(name: string): string | undefined;
  /** The serial number that a client is shown for a name; `undefined` where it is refused. */
  shownAt(position: number, serverName: string): string | undefined;
  /** The first position of a range at which a name is shown so; `undefined` where there is none. */
  firstShowing(
    shown: { readonly serverName: string; readonly serialNumber: string | undefined },
    range: { readonly from: number; readonly upTo: number },
  ): number | undefined;
  standingAt(position: number): Standing;
}

const wildcardOf = (serverName: string): string => serverName.replace(/^[^.]+/, '*');

/** Nothing was said since the commits that every test bus begins with, the last of which is at `head`. */
export function createHistory({ head: beginning, at }: { readonly head: number; readonly at: Date }): History {
  const said: Said[] = [];
  const names = new Set<string>();
  let head = beginning;

  function note(next: Omit<Said, 'position'>): void {
    head += 1;
    said.push({ ...next, position: head });
    for (const name of next.names) names.add(name);
  }
  function aliveAt(position: number): readonly Said[] {
    const last = new Map(said.filter((each) => each.position <= position).map((each) => [each.certificateId, each]));
    return [...last.values()].filter(({ serialNumber }) => serialNumber !== undefined);
  }
  const shownAt: History['shownAt'] = (position, serverName) => {
    const alive = aliveAt(position);
    const covering = [serverName, wildcardOf(serverName)].flatMap((name) =>
      alive.filter((each) => each.names.includes(name)),
    );
    return covering[0]?.serialNumber;
  };

  return {
    get head() {
      return head;
    },
    names,
    issued: ({ certificateId, serialNumber }, rest) => note({ certificateId, serialNumber, ...rest }),
    removed: (certificateId, when) =>
      note({ certificateId, serialNumber: undefined, names: [], at: when, notAfter: when }),
    idOf: (name) => aliveAt(head).find((each) => each.names.includes(name))?.certificateId,
    shownAt,
    firstShowing({ serverName, serialNumber }, { from, upTo }) {
      for (let position = from; position <= upTo; position += 1)
        if (shownAt(position, serverName) === serialNumber) return position;
      return undefined;
    },
    standingAt: (position) => ({
      newestCommitAt: said.findLast((each) => each.position <= position)?.at ?? at,
      ends: aliveAt(position).map(({ notAfter }) => notAfter),
    }),
  };
}
