/** `certbus conf schema`. */
import { printableJson } from '@certbus/events';
import { BaseCommand } from '../../base-command.ts';

export default class ConfSchema extends BaseCommand {
  static override summary = 'Print the JSON schema of the configuration, for editors.';
  static override description =
    'It is made from the schema that checks a configuration. What a JSON schema cannot express, "certbus conf validate" checks.';
  static override examples = ['<%= config.bin %> <%= command.id %> > certbus.schema.json'];

  async run(): Promise<object> {
    await this.parse(ConfSchema);
    const [{ configurationSchema }, { toJsonSchema }] = await Promise.all([
      import('@certbus/manager'),
      import('@valibot/to-json-schema'),
    ]);
    const { properties, ...rest } = toJsonSchema(configurationSchema, { errorMode: 'ignore', typeMode: 'input' });
    // A document has its position next to the fields.
    const position = { type: 'integer', minimum: 1, description: 'where the configuration is on the bus' };
    const schema = { title: 'Configuration of a CertBus bus', ...rest, properties: { position, ...properties } };
    this.log(printableJson(schema, 2));
    return schema;
  }
}
