/** The floor plan that the sources are held to: which rooms touch the world, and which files put the parts together. */

/** Rooms (`tls/`) and files (`open.ts`) below the `src` of a package; `everything` for the whole of it. */
type Places = readonly string[] | 'everything';

/** Where one package does I/O. What is named in neither list is pure. */
export interface Rooms {
  /** What reaches a disk, a network, another program or the environment. */
  readonly io: Places;
  /** What hands I/O and adapters to the pure parts, and so imports both. Each `index.ts` is one as well. */
  readonly composition: Places;
}

/** The floor plan of a repository. Paths begin at its root. */
export interface House {
  readonly packages: Readonly<Record<string, Rooms>>;
  /** Folders of adapters. Each file or folder in one is an adapter, and a stranger to the others. */
  readonly adapters: readonly string[];
  /** Files in those folders that adapters share. */
  readonly shared: readonly string[];
  /** The most entries that a folder may hold. */
  readonly entries: Readonly<Record<string, number>>;
  /** The largest share of the source lines that one package or app may hold. */
  readonly largestShare: number;
}

/** The floor plan of CertBus. */
export const HOUSE: House = {
  packages: {
    'packages/events': { io: [], composition: [] },
    'packages/store': {
      io: [
        'outgoing/agents.ts',
        'outgoing/check-in.ts',
        'outgoing/dispatcher.ts',
        'outgoing/post-json.ts',
        'outgoing/tunnel.ts',
        'service/',
      ],
      composition: ['open.ts', 'outgoing/outgoing.ts'],
    },
    // One SQLite file is what it is.
    'packages/replica': { io: 'everything', composition: [] },
    'packages/client': {
      io: ['tls/server-sockets.ts', 'tls/server-suites.ts', 'tls/tls-alpn-01.ts'],
      composition: [
        'tls/challenge-port.ts',
        'serving/key-text.ts',
        'serving/material-source.ts',
        'tls/attached-servers.ts',
        'connect.ts',
        'material.ts',
        'testing.ts',
      ],
    },
    'packages/acme': {
      io: ['wire/acme-client.ts', 'wire/undici.ts'],
      composition: ['wire/create-engine.ts', 'wire/create-acme.ts'],
    },
    // Presenting a challenge, and looking whether it is there, is I/O.
    'packages/solvers': { io: 'everything', composition: ['registry.ts'] },
    // It is a server, and a DNS server.
    'packages/acme-server': { io: 'everything', composition: [] },
    'packages/manager': {
      io: ['doctor/files.ts', 'renewal/renewal-info-notes.ts'],
      composition: ['manager.ts', 'doctor/doctor.ts'],
    },
    // It finds on a machine what a manager needs, and puts it together.
    'packages/runtime': { io: 'everything', composition: 'everything' },
  },
  adapters: ['packages/store/src/adapters', 'packages/store/src/adapters/places', 'packages/solvers/src/providers'],
  shared: [
    'packages/store/src/adapters/checks.ts',
    'packages/store/src/adapters/file-problem.ts',
    'packages/store/src/adapters/make-folders.ts',
    'packages/store/src/adapters/regular-file.ts',
    'packages/store/src/adapters/sqlite-codes.ts',
    'packages/store/src/adapters/sqlite-guard.ts',
    'packages/store/src/adapters/places/file-lock.ts',
  ],
  entries: { 'packages/acme/src': 12, 'packages/manager/src': 12 },
  largestShare: 0.2,
};

/** What a source may do: `pure` nothing, `io` and `adapter` touch the world, `composition` puts them together. */
export type Kind = 'pure' | 'io' | 'adapter' | 'composition';

/** What a source of a package may do; `undefined` for a path in none that the floor plan names. */
export function kindOf(path: string, { packages, adapters }: House): Kind | undefined {
  const [, home = '', inside = ''] = /^(packages\/[^/]+)\/src\/(.+)$/.exec(path) ?? [];
  const rooms = packages[home];
  if (!rooms) return undefined;
  if (adapters.some((folder) => path.startsWith(`${folder}/`))) return 'adapter';
  if (isEntry(path) || holds(rooms.composition, inside)) return 'composition';
  return holds(rooms.io, inside) ? 'io' : 'pure';
}

/** Whether a file is the entry of a package or of a room. */
export const isEntry = (path: string): boolean => path.endsWith('/index.ts');

/** The adapter that a file belongs to; `undefined` for what adapters share, and for what is none. */
export function adapterOf(path: string, { adapters, shared }: House): string | undefined {
  const [folder] = adapters.filter((each) => path.startsWith(`${each}/`)).sort((a, b) => b.length - a.length);
  if (folder === undefined || shared.includes(path)) return undefined;
  const [entry = ''] = path.slice(folder.length + 1).split('/');
  return `${folder}/${entry}`;
}

const holds = (places: Places, inside: string): boolean =>
  places === 'everything' ||
  places.some((place) => (place.endsWith('/') ? inside.startsWith(place) : inside === place));
