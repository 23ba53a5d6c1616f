/** `certbus cert renew`. */
import { nextActionAt } from '@certbus/events';
import type { IssueResult } from '@certbus/manager';
import { Args, Flags } from '@oclif/core';
import { authorityOf } from '../../authority-flag.ts';
import { SigningCommand, YES_FLAG } from '../../base-command.ts';
import { certificateOf } from '../../certificate-argument.ts';

export default class CertRenew extends SigningCommand {
  static override summary = 'Renew one certificate, due or not.';
  static override description = 'Asks first where it is not due: CAs limit how often the same names are issued.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> example.com',
    '<%= config.bin %> <%= command.id %> example.com --yes',
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of the managed certificate, or a name that only it has' }),
  };
  static override flags = {
    authority: Flags.string({ description: 'move it to this CA of the configuration, and renew it there from now on' }),
    'take-over': Flags.boolean({ description: 'take over what another manager is at work on, without waiting' }),
    yes: YES_FLAG,
  };

  async run(): Promise<IssueResult> {
    const { args, flags } = await this.parse(CertRenew);
    const result = await this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      const certificate = await certificateOf(manager, args.id);
      const authority = await authorityOf(manager, flags.authority, { signal: this.signal });
      const { certificateId: id } = certificate;
      const due = nextActionAt(certificate, new Date());
      if (due && due > new Date()) {
        const early = `${id} is not due before ${due.toISOString()}`;
        await this.agree(`${early}. Order a new certificate now?`, flags);
        this.warn(`${early}; CAs limit how often the same names are issued`);
      }
      const options = { signal: this.signal, takeOver: flags['take-over'], authority };
      return this.withDisplay(({ onProgress }) => manager.renew(id, { ...options, onProgress }));
    });
    this.show(
      `renewed ${result.certificateId}: serial number ${result.serialNumber}, valid until ${result.notAfter?.toISOString()}`,
    );
    return result;
  }
}
