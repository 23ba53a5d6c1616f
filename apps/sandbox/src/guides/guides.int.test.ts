/** Runs every command of the guides that show a terminal, and compares what it prints with the pages. */
import { readFileSync } from 'node:fs';
import { requirePart } from 'certbus-services';
import { bundledCommandLine, isFull } from 'certbus-services/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startGuideAccount } from './account.builders.ts';
import { startMachine } from './machine.builders.ts';
import { expectToPrint, guide, isWriting } from './pages.builders.ts';

/** In their order: each continues the one before it, on one machine. */
const GUIDES = ['production.md', 'upgrade.md', 'remove.md'].slice(0, isWriting || isFull ? undefined : 1).map(guide);

test('the guides from an empty machine to its removal show what their commands print; CERTBUS_CONTRACT=write writes it', {
  tags: 'full',
  // Some forty processes, one after the other.
  timeout: 1_200_000,
}, async () => {
  const machine = await startMachine(await bundledCommandLine());
  onTestFinished(machine.stop);
  await expectToPrint(machine, GUIDES);
});

if (isWriting || isFull) {
  const AWS = guide('aws.md');
  const missing = [requirePart('moto'), requirePart('aws-cli'), requirePart('iam-judge'), requirePart('lambda')].find(
    ({ skip }) => skip,
  );

  /** What the guide for AWS shows and nothing here runs, by how it begins, and why. */
  const NOT_RUN: Readonly<Record<string, string>> = {
    'export CERTBUS_MANAGER_KEY=ssm:': 'the key is still on this machine',
    'aws iam attach-role-policy': 'there is no instance of EC2, whose role this is',
    'aws iam list-entities-for-policy': 'as above',
    'aws iam detach-role-policy': 'as above',
    'aws cloudformation delete-stack': 'moto cannot remove a policy that it keeps in two places',
    'aws cloudformation wait': 'as above',
  };

  describe.skipIf(missing)(missing?.title('on AWS') ?? 'on AWS', () => {
    test('the guide shows what its commands print, on doubles of AWS and under the policies of the stack', {
      tags: 'full',
      // Some sixty processes, half of them Python's, which take ten minutes beside thirty busy programs.
      timeout: 2_400_000,
    }, async () => {
      const account = await startGuideAccount({ id: 'Z0123456789ABC', name: 'example.com' });
      onTestFinished(account.stop);
      const machine = await startMachine(await bundledCommandLine(), account.machine);
      onTestFinished(machine.stop);
      account.trust(machine.addressRoots);
      await expectToPrint(machine, [AWS]);
    });
  });

  test('each command of the guide for AWS that is not run has a reason', () => {
    const blocks = [...readFileSync(AWS, 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)];
    const commands = blocks.flatMap(([, block = '']) => block.trimEnd().split('\n'));
    const begins = Object.keys(NOT_RUN);
    expect(commands.filter((command) => !begins.some((begin) => command.startsWith(begin)))).toEqual([]);
    expect(begins.filter((begin) => !commands.some((command) => command.startsWith(begin)))).toEqual([]);
  });
}
