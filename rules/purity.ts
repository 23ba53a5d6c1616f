/** Holds the sources to the floor plan: pure files do no I/O, composition files alone import adapters, adapters stay strangers. */
import type { Finding } from './finding.ts';
import { adapterOf, type House, isEntry, kindOf } from './house.ts';
import { type Import, isSource, type SourceFile, type Tree } from './tree.ts';

/** Modules that reach a disk, a network or another program. Their types are free to import: nothing of them is left at run time. */
const IO_MODULE =
  /^node:(?:child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|os|readline|repl|sqlite|tls|tty|worker_threads)(?:\/|$)|^@aws-sdk\/|^undici$|^acme-client(?:\/|$)/;

/** Functions of these modules that compute, and do no I/O. */
const COMPUTING: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['BlockList', 'isIP', 'isIPv4', 'isIPv6'],
  'node:tls': ['createSecureContext'],
};

const DO_IO_ELSEWHERE = 'Do it in an adapter or an I/O room, see rules/house.ts, and take the result as an argument';
const SHARE_IT = 'Move what both need next to them, and name it under "shared" in rules/house.ts';
const TAKE_A_PORT = 'Take it as an argument, and pass it in where the parts are put together, see rules/house.ts';

/** Finds pure files that do I/O. */
export const impureFiles = (tree: Tree, house: House): Finding[] =>
  [...tree.files.values()].flatMap((file) =>
    isSource(file.path) && kindOf(file.path, house) === 'pure' ? impuritiesOf(file, house) : [],
  );

/**
 * Finds sources that import an adapter, types included, and neither belong to it nor put the parts together. An I/O room may use
 * the adapter of another package, by its entry.
 */
export const importedAdapters = (tree: Tree, house: House): Finding[] =>
  [...tree.files.values()].flatMap((file) => {
    const kind = kindOf(file.path, house);
    if (!isSource(file.path) || kind === undefined || kind === 'composition') return [];
    return adapterImportsOf(file, house);
  });

/** What keeps a file from being pure: I/O modules, globals that do I/O, and files of the floor plan that are not pure. */
export function impuritiesOf({ path, imports, globals }: SourceFile, house: House): Finding[] {
  const found = (line: number, what: string, remedy: string) => [
    { rule: 'pure-file', where: `${path}:${line}`, what: `this file is pure, and ${what}`, remedy },
  ];
  return [
    ...imports.flatMap((clause) => {
      const { specifier, line, target = '', isType } = clause;
      if (doesIo(clause)) return found(line, `imports ${specifier}`, DO_IO_ELSEWHERE);
      const isImpure = ['io', 'composition'].includes(kindOf(target, house) ?? '') && !isEntry(target);
      return isImpure && !isType ? found(line, `imports ${specifier}, which is not`, TAKE_A_PORT) : [];
    }),
    ...globals.flatMap(({ name, line }) => found(line, `uses ${name}`, DO_IO_ELSEWHERE)),
  ];
}

/** The imports of a file that reach into an adapter to which it does not belong. */
export function adapterImportsOf({ path, imports }: SourceFile, house: House): Finding[] {
  const own = adapterOf(path, house);
  const kind = kindOf(path, house);
  return imports.flatMap(({ specifier, line, target = '' }) => {
    const other = adapterOf(target, house);
    if (other === undefined || other === own || (kind === 'io' && !specifier.startsWith('.'))) return [];
    const where = `${path}:${line}`;
    return kind === 'adapter'
      ? { rule: 'adapters-are-strangers', where, what: `this adapter imports another, ${specifier}`, remedy: SHARE_IT }
      : { rule: 'adapter-import', where, what: `this file imports an adapter, ${specifier}`, remedy: TAKE_A_PORT };
  });
}

function doesIo({ specifier, isType, names }: Import): boolean {
  if (isType || !IO_MODULE.test(specifier)) return false;
  return names.length === 0 || names.some((name) => !COMPUTING[specifier]?.includes(name));
}
