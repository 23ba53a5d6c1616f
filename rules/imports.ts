/** Reads what one TypeScript file imports, and which globals it reaches the machine or the network with. */
import { parseSync, Visitor } from 'oxc-parser';

/** One import, export-from, `import()`, `process.getBuiltinModule()` or `import('…')` type of a file. */
export interface ImportClause {
  readonly specifier: string;
  readonly line: number;
  /** Whether nothing of it is left at run time. */
  readonly isType: boolean;
  /** The names that are imported as values; empty where that is all of the module. */
  readonly names: readonly string[];
}

/** One use of a global that does I/O: `fetch(…)` or `process.env`. */
export interface GlobalUse {
  readonly name: 'fetch' | 'process.env';
  readonly line: number;
}

export interface FileReferences {
  readonly imports: readonly ImportClause[];
  readonly globals: readonly GlobalUse[];
}

/** What a file refers to, in the order of its text. Throws `SyntaxError` where it does not parse. */
export function readReferences(path: string, text: string): FileReferences {
  const file = parseSync(path, text);
  const { module, errors } = file;
  if (errors[0]) throw new SyntaxError(`${path}: ${errors[0].message}`);
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const imports: ImportClause[] = [];
  const globals: GlobalUse[] = [];
  // A file that is given its fetch calls that one.
  let hasOwnFetch = false;

  for (const { moduleRequest, entries, start } of module.staticImports) {
    const values = entries.filter(({ isType }) => !isType);
    const names = values.flatMap(({ importName }) => (importName.kind === 'Name' ? [importName.name ?? ''] : []));
    imports.push({
      specifier: moduleRequest.value,
      line: lineAt(start),
      isType: entries.length > 0 && values.length === 0,
      names: names.length === values.length ? names : [],
    });
  }
  for (const { entries } of module.staticExports)
    for (const { moduleRequest, importName, isType, start } of entries) {
      if (!moduleRequest) continue;
      const names = !isType && importName.kind === 'Name' ? [importName.name ?? ''] : [];
      imports.push({ specifier: moduleRequest.value, line: lineAt(start), isType, names });
    }

  const visitor = new Visitor({
    ImportExpression({ source, start }) {
      if (source.type !== 'Literal' || typeof source.value !== 'string') return;
      imports.push({ specifier: source.value, line: lineAt(start), isType: false, names: [] });
    },
    TSImportType({ source, start }) {
      imports.push({ specifier: source.value, line: lineAt(start), isType: true, names: [] });
    },
    ObjectPattern({ properties }) {
      for (const property of properties)
        if (property.type === 'Property' && property.key.type === 'Identifier' && property.key.name === 'fetch')
          hasOwnFetch = true;
    },
    CallExpression({ callee, arguments: [first], optional, start }) {
      // An optional call looks whether Node has a module at all.
      const name = callee.type === 'MemberExpression' && callee.property.type === 'Identifier' && callee.property.name;
      if (name === 'getBuiltinModule' && !optional && first?.type === 'Literal')
        imports.push({ specifier: String(first.value), line: lineAt(start), isType: false, names: [] });
      if (callee.type === 'Identifier' && callee.name === 'fetch') globals.push({ name: 'fetch', line: lineAt(start) });
    },
    MemberExpression({ object, property, start }) {
      if (object.type !== 'Identifier' || object.name !== 'process') return;
      if (property.type === 'Identifier' && property.name === 'env')
        globals.push({ name: 'process.env', line: lineAt(start) });
    },
  });
  // The tree costs far more than the list of imports, and few files have anything else to find.
  if (/\bimport\s*\(|\bfetch\(|\bprocess\b/.test(text)) visitor.visit(file.program);

  return {
    imports: imports.sort((a, b) => a.line - b.line),
    globals: hasOwnFetch ? globals.filter(({ name }) => name !== 'fetch') : globals,
  };
}
