/** The questions of `certbus init`, in their order. */
import { resolve } from 'node:path';
import { normalizeNames } from '@certbus/events';
import { readFile } from '@certbus/runtime/local';
import { PROVIDERS } from '@certbus/solvers';
import { parseAddress } from '@certbus/store';
import { dnsFlags, neededFlags, providerNamed } from '../dns-flags.ts';
import { CliError } from '../errors.ts';
import type { Answers } from './answers.ts';
import { describeTerms, PUBLIC_AUTHORITIES, publicAuthority } from './authorities.ts';
import { parseDomain } from './domain.ts';
import { parseEmail } from './email.ts';
import { askForOne, askUntilValid, askYesOrNo, type Terminal } from './terminal.ts';

/** One subject that is asked about. */
export interface Step {
  readonly title: string;
  /** The flags that answer it; where one is given it is not asked. */
  readonly flags: readonly string[];
  /** Titles of the steps that are asked again once this has another answer. Default: none. */
  readonly dependents?: readonly string[];
  /** Asks; returns the flags that are the answer. */
  ask(answers: Answers, terminal: Terminal, signal: AbortSignal): Promise<Answers>;
  /** The answer in words. */
  show(answers: Answers): string;
}

const NONE = 'none';
const OTHER = 'other';

const usage = (message: string): CliError => new CliError('CERTBUS_CLI_USAGE', message);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The words of a line, which are separated by spaces or commas. */
const wordsOf = (line: string): string[] => line.split(/[\s,]+/).filter(Boolean);

function pattern(expected: RegExp, what: string): (answer: string) => string {
  return (answer) => {
    if (expected.test(answer)) return answer;
    throw usage(`"${answer}" is not ${what}.`);
  };
}

const bus: Step = {
  title: 'bus',
  flags: ['bus'],
  async ask(_, terminal) {
    const kind = await askForOne(terminal, 'Where should the bus be stored?', [
      { name: 'sqlite', label: 'one file on this machine: everything here, or a first look' },
      { name: 'dynamodb', label: 'a table of Amazon DynamoDB: load balancers anywhere' },
    ]);
    if (kind === 'sqlite') {
      const file = await askUntilValid(terminal, {
        text: 'File of the bus:',
        otherwise: './bus.db',
        parse: pattern(/^[^#?]+$/, 'a path without # or ?'),
      });
      return { bus: `sqlite:${file}#certbus` };
    }
    const name = pattern(/^[\w.-]{1,255}$/, 'a name of letters, digits, ".", "-" and "_"');
    const table = await askUntilValid(terminal, { text: 'Name of the table:', otherwise: 'certbus', parse: name });
    const stream = await askUntilValid(terminal, { text: 'Name of this bus in it:', otherwise: 'prod', parse: name });
    const region = await askUntilValid(terminal, {
      text: 'AWS region:',
      otherwise: process.env['AWS_REGION'] ?? 'eu-central-1',
      parse: pattern(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region, such as eu-central-1'),
    });
    const address = `dynamodb://${table}/${stream}?region=${region}`;
    parseAddress(address);
    return { bus: address };
  },
  show: (answers) => textOf(answers['bus']),
};

function parseDirectory(answer: string): string {
  if (URL.canParse(answer) && new URL(answer).protocol === 'https:') return answer;
  throw usage(`"${answer}" is not an https URL. The CA's documentation has the address of its ACME directory.`);
}

function parseRoots(answer: string): string | undefined {
  if (answer === '') return undefined;
  readFile(resolve(answer), "The CA's roots");
  return answer;
}

const authority: Step = {
  title: 'CA',
  flags: ['ca', 'directory', 'roots'],
  dependents: ['terms'],
  async ask(_, terminal) {
    const ca = await askForOne(terminal, 'Which CA?', [
      ...PUBLIC_AUTHORITIES.map(({ choice, label }) => ({ name: choice, label })),
      { name: OTHER, label: 'another one, by the address of its ACME directory' },
    ]);
    if (ca !== OTHER) return { ca };
    const directory = await askUntilValid(terminal, { text: 'ACME directory:', parse: parseDirectory });
    const text = 'PEM file of its roots, if it is a private CA (optional):';
    const roots = await askUntilValid(terminal, { text, parse: parseRoots });
    return { directory, ...(roots === undefined ? {} : { roots }) };
  },
  show: (answers) => textOf(answers['directory']) || publicAuthority(textOf(answers['ca']))?.label || '',
};

const contact: Step = {
  title: 'e-mail',
  flags: ['contact'],
  async ask(_, terminal) {
    const text = '\nE-mail address for the CA, for what concerns the account (optional):';
    const addresses = await askUntilValid(terminal, { text, parse: (answer) => wordsOf(answer).map(parseEmail) });
    return { contact: addresses };
  },
  show: ({ contact: addresses }) => [addresses].flat().join(', ') || NONE,
};

/** The directory that answers lead to. */
function directoryOf(answers: Answers): string {
  const [first] = PUBLIC_AUTHORITIES;
  const known = publicAuthority(textOf(answers['ca'])) ?? first;
  return textOf(answers['directory']) || (known?.directory ?? '');
}

const terms: Step = {
  title: 'terms',
  flags: ['agree-tos'],
  async ask(answers, terminal, signal) {
    const roots = textOf(answers['roots']);
    const pem = roots === '' ? undefined : readFile(resolve(roots), "The CA's roots");
    const where = await describeTerms({ directory: directoryOf(answers), roots: pem }, signal);
    terminal.print(`\nTerms of service of the CA: ${where}`);
    if (await askYesOrNo(terminal, 'Do you agree to them?')) return { 'agree-tos': true };
    throw new CliError(
      'CERTBUS_CLI_DECLINED',
      'A CA issues to those who agree to its terms of service. Nothing was made.',
    );
  },
  show: () => 'agreed to',
};

function parseNeeded(answer: string): string {
  if (answer.trim() === '') throw usage('This needs a value.');
  return answer;
}

const dns: Step = {
  title: 'DNS',
  flags: ['dns-provider', 'dns-settings', ...dnsFlags().map(({ name }) => name)],
  dependents: ['zones'],
  async ask(answers, terminal) {
    const offered = PROVIDERS.filter(({ isForTests }) => !isForTests);
    const name = await askForOne(terminal, 'Where is the DNS of your domains? Wildcards need it.', [
      ...offered.map((provider) => ({ name: provider.name, label: provider.summary })),
      { name: NONE, label: 'certbus cannot write there: names are proved by HTTP or TLS' },
    ]);
    if (name === NONE) return {};
    const found: Record<string, unknown> = { 'dns-provider': name };
    for (const { name: flag, question } of neededFlags(providerNamed(name), answers, {})) {
      found[flag] = await askUntilValid(terminal, { text: question, parse: parseNeeded });
    }
    return found;
  },
  show: (answers) => textOf(answers['dns-provider']) || textOf(answers['dns-settings']) || NONE,
};

function parseZones(answer: string): string[] {
  const zones = wordsOf(answer);
  if (zones.length === 0) throw usage('Type the zones, or * for all.');
  return zones.map((zone) => (zone === '*' ? zone : (normalizeNames([zone.replace(/^\*\./, '')])[0] ?? zone)));
}

const zones: Step = {
  title: 'zones',
  flags: ['zone'],
  async ask(answers, terminal) {
    if (answers['dns-provider'] === undefined) return {};
    const text = 'Zones there, separated by spaces or commas; * for all:';
    return { zone: await askUntilValid(terminal, { text, otherwise: '*', parse: parseZones }) };
  },
  show: ({ zone }) => [zone ?? NONE].flat().join(', '),
};

const domain: Step = {
  title: 'first domain',
  flags: ['domain'],
  async ask({ zone, ...answers }, terminal) {
    const otherwise = [zone].flat().find((each) => typeof each === 'string' && each !== '*');
    const hasDns = (answers['dns-provider'] ?? answers['dns-settings']) !== undefined;
    const parse = (answer: string) => parseDomain(answer, { hasDns });
    const text = '\nA domain to begin with; nothing is issued for it yet:';
    return { domain: await askUntilValid(terminal, { text, otherwise: otherwise as string | undefined, parse }) };
  },
  show: (answers) => textOf(answers['domain']),
};

/** All steps. Later ones depend on earlier ones. */
export const STEPS: readonly Step[] = [bus, authority, contact, terms, dns, zones, domain];
