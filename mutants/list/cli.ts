/** Mutants of the command line: what it prints. */
import type { Mutant } from '../mutant.ts';

const LOG = 'apps/cli/src/commands/bus/log.ts';
const LOG_TEST = { file: 'apps/cli/src/bus-log.int.test.ts', only: 'has no control character of anybody else' };

export const cli: readonly Mutant[] = [
  {
    fault: '"bus log" prints the control characters of an event',
    file: 'apps/cli/src/base-command.ts',
    find: 'breakLines(clean(line), { window, indent })',
    replace: 'breakLines(line, { window, indent })',
    noticedBy: [LOG_TEST],
  },
  {
    fault: '"bus log" prints the control characters of a manager\'s name',
    file: LOG,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    find: 'clean(`${position}  ${at.toISOString()}  by ${by}`)',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
    replace: '`${position}  ${at.toISOString()}  by ${by}`',
    noticedBy: [LOG_TEST],
  },
  {
    fault: 'text that turns itself round is printed',
    file: 'packages/events/src/printable.ts',
    find: '\\p{Bidi_Control}',
    replace: '',
    noticedBy: [LOG_TEST],
  },
  {
    fault: 'a link that leads out of a folder that is imported is followed',
    file: 'apps/cli/src/importing/tree.ts',
    find: 'return isInside(root, real) ? real : undefined;',
    replace: 'return real;',
    noticedBy: [{ file: 'apps/cli/src/importing/pem-files.test.ts', only: 'a folder of a stranger' }],
  },
];
