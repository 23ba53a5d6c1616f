/** `certbus conf display`: shows the configuration on the bus, as a document for `certbus conf update`. */
import { printableJson } from '@certbus/events';
import { redactConfiguration } from '@certbus/manager';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { AT_FLAG } from '../../certificates/flags.ts';
import { documentOf } from '../../configuration-document.ts';

export default class ConfDisplay extends BaseCommand {
  static override summary = 'Show the configuration on the bus; secrets as <redacted>.';
  static override description =
    'Its "position" is where it is on the bus. With it, "certbus conf update" refuses to replace a newer one; leave it out of what you keep in version control.';
  static override examples = ['<%= config.bin %> <%= command.id %> > config.json'];
  static override flags = {
    'show-secrets': Flags.boolean({ description: 'show secrets, too' }),
    at: AT_FLAG,
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(ConfDisplay);
    const stored = await (flags.at ? this.#earlier(flags.at, flags) : this.#present(flags));
    if (!stored) {
      const none = 'the bus has no configuration yet; put one on it with "certbus conf update < FILE"';
      this.progress(flags.at ? 'the bus had no configuration at that time' : none);
      return {};
    }
    const json = flags['show-secrets'] ? stored.json : redactConfiguration(stored.json);
    const shown = documentOf(json, stored.position);
    this.progress(`configuration of position ${stored.position}`);
    this.log(printableJson(shown, 2));
    return shown;
  }

  async #present(flags: { readonly config?: string | undefined }) {
    return this.withManager(flags, async (manager) => {
      await manager.refresh({ signal: this.signal });
      return manager.configuration();
    });
  }

  async #earlier(at: Date, flags: { readonly config?: string | undefined }) {
    const { configurationOf, withPicture } = await import('@certbus/runtime/picture');
    const environment = this.environment(flags);
    const { signal } = this;
    return withPicture(environment, (picture) => configurationOf(environment, picture, { signal }), { at, signal });
  }
}
