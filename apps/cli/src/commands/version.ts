/** `certbus version`. */
import { BaseCommand } from '../base-command.ts';

export default class Version extends BaseCommand {
  static override summary = 'Show the version of certbus and of Node.';
  static override examples = ['<%= config.bin %> <%= command.id %> --json'];

  async run(): Promise<{ version: string; node: string; platform: string; architecture: string }> {
    await this.parse(Version);
    this.log(this.config.userAgent);
    const { version, platform, arch } = this.config;
    return { version, node: process.versions.node, platform, architecture: arch };
  }
}
