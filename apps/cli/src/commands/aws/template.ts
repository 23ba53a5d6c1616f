/** `certbus aws template`. */
import { BaseCommand } from '../../base-command.ts';

export default class AwsTemplate extends BaseCommand {
  static override summary = 'Print the CloudFormation template of a bus and its manager on AWS Lambda.';
  static override description =
    'Table, archive, role, function, schedule, log, a policy for load balancers, and alarms. The code of the function is what "certbus aws bundle" writes. The manager key is read from a parameter of SSM, which the template names and does not make.';
  static override examples = ['<%= config.bin %> <%= command.id %> > certbus-template.json'];

  async run(): Promise<{ template: string }> {
    await this.parse(AwsTemplate);
    const { TEMPLATE } = await import('@certbus/lambda/template');
    const template = JSON.stringify(TEMPLATE, undefined, 1);
    this.log(template);
    return { template };
  }
}
