/** `certbus cert revoke`. */
import type { RevocationReason } from '@certbus/acme';
import type { RevocationResult } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';

const REASONS: readonly RevocationReason[] = ['superseded', 'keyCompromise', 'cessationOfOperation', 'unspecified'];

export default class CertRevoke extends SigningCommand {
  static override summary = 'Replace a certificate, and revoke the old one at its CA.';
  static override description =
    'The new one is on the bus before the old one is revoked; load balancers that have not read it yet go on with the old one until they have. Where this is interrupted in between, run it again with --serial and the serial number of the old one.';
  static override examples = ['<%= config.bin %> <%= command.id %> example.com --reason keyCompromise'];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = {
    reason: Flags.custom<RevocationReason>({ options: [...REASONS] })({
      default: 'superseded',
      description: 'why (RFC 5280)',
    }),
    serial: Flags.string({ description: 'serial number of an older one that is still valid; it needs no replacement' }),
    yes: YES_FLAG,
  };

  async run(): Promise<RevocationResult> {
    const { args, flags } = await this.parse(CertRevoke);
    const { withManager } = await import('@certbus/runtime');
    const what = { reason: flags.reason, serialNumber: flags.serial };
    const result = await withManager(this.environment(flags), async (manager) => {
      await manager.refresh({ signal: this.signal });
      const { certificateId, names } = await certificateOf(manager, args.id);
      const question = `Replace and revoke the certificate ${certificateId} (${names.join(', ')})? Nothing takes a revocation back.`;
      await this.agree(question, flags);
      const { signal } = this;
      return this.withDisplay(({ onProgress }) => manager.revoke({ certificateId, ...what }, { signal, onProgress }));
    });
    const { serialNumber, replacement } = result;
    this.log(`revoked ${serialNumber}${replacement ? `, replaced by ${replacement}` : ''}`);
    return result;
  }
}
