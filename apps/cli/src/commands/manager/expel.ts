/** `certbus manager expel`. */
import type { ExpulsionPlan } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { CliError } from '../../errors.ts';
import { parseInstant } from '../../instant.ts';
import { KEY_CHANGE_FLAGS, KeyChangeCommand, type KeyChangeResult } from '../../keys/key-change-command.ts';

/** A position, or a time. */
function parseSince(text: string): number | Date {
  if (!/^\d+$/.test(text)) return parseInstant(text);
  const position = Number(text);
  if (Number.isSafeInteger(position) && position > 0) return position;
  throw new CliError('CERTBUS_CLI_USAGE', '--since is a position, 1 or more, or a time.');
}

export default class ManagerExpel extends KeyChangeCommand {
  static override summary = 'Make void what a stolen manager key wrote, from a position or a time on, permanently.';
  static override description =
    'It first shows what would be void; --dry-run ends there. Certificates stay, and are listed to be replaced and revoked, by serial number. Then every ACME account gets a fresh key, the configuration is sealed to those who are left, and the secrets that the key could read are listed. Where this is interrupted, run it again. Needs the root key; without it, --request.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> laptop --since 4711 --dry-run',
    '<%= config.bin %> <%= command.id %> laptop --since 2026-03-01T14:00:00Z',
  ];
  static override args = {
    manager: Args.string({
      required: true,
      description: 'its name, or its signing key where managers of one name had several',
    }),
  };
  static override flags = {
    since: Flags.string({
      required: true,
      description: 'first position that is not trusted, or a time: the first commit that was signed then or later',
    }),
    'dry-run': Flags.boolean({ description: 'show what would be void, and change nothing', exclusive: ['request'] }),
    ...KEY_CHANGE_FLAGS,
  };

  async run(): Promise<KeyChangeResult | { plan: ExpulsionPlan }> {
    const { args, flags } = await this.parse(ManagerExpel);
    const suspicion = { manager: args.manager, since: parseSince(flags.since), signal: this.signal };
    if (flags['dry-run']) {
      const { openLocalBus } = await import('@certbus/runtime');
      const { planExpulsion } = await import('@certbus/manager');
      const { bus, close } = await openLocalBus(this.environment(flags), { signal: this.signal });
      try {
        const plan = await planExpulsion(bus, suspicion);
        this.#show(plan);
        return { plan };
      } finally {
        await close();
      }
    }
    return this.changeKeys(flags, async (_, bus) => {
      const { planExpulsion } = await import('@certbus/manager');
      const plan = await planExpulsion(bus, suspicion);
      this.#show(plan);
      const { manager, key, since } = plan;
      return { kind: 'expel-manager', suspect: { manager, key, since } };
    });
  }

  #show({ manager, key, since, earliest, voided, certificates }: ExpulsionPlan): void {
    this.progress(`what ${manager} (${key}) wrote from position ${since} on:`);
    if (earliest < since)
      this.warn(
        `positions ${earliest} to ${since - 1} have only its own word for their time; --since ${earliest} makes them void as well`,
      );
    for (const { type, count } of voided) this.show(`void: ${count} ${type}`);
    for (const { certificateId, names, serialNumber, position } of certificates)
      this.show(
        `stays, to be replaced and revoked: ${certificateId} (${names.join(', ')}), serial number ${serialNumber} of position ${position}`,
      );
    if (voided.length === 0 && certificates.length === 0) this.progress('nothing');
  }
}
