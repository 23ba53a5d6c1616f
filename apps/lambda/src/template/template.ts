/** The CloudFormation template of a bus: table, archive, function, schedule, policies and alarms. */
import { intrinsic, type Value } from './intrinsics.ts';
import { CONDITIONS, PARAMETERS } from './parameters.ts';
import { RESOURCES } from './resources.ts';

const output = (Description: string, value: string): { readonly [key: string]: Value } => ({
  Description,
  Value: intrinsic(value),
});

/** A template of CloudFormation. */
export interface Template {
  readonly AWSTemplateFormatVersion: '2010-09-09';
  readonly Description: string;
  readonly Parameters: Readonly<Record<string, Value>>;
  readonly Conditions: Readonly<Record<string, Value>>;
  readonly Resources: Readonly<Record<string, Value>>;
  readonly Outputs: Readonly<Record<string, Value>>;
}

/** The template. It is the same for everyone: what differs is in its parameters. */
export const TEMPLATE: Template = {
  AWSTemplateFormatVersion: '2010-09-09',
  Description: 'CertBus: one bus of TLS certificates, its manager on AWS Lambda, and a policy for load balancers',
  Parameters: PARAMETERS,
  Conditions: CONDITIONS,
  Resources: RESOURCES,
  Outputs: {
    BusAddress: output('CERTBUS_BUS', 'dynamodb://${Bus}/${Stream}?region=${AWS::Region}'),
    BusAddressElsewhere: output(
      'CERTBUS_BUS for load balancers of other accounts',
      'dynamodb://${Bus}/${Stream}?region=${AWS::Region}&account=${AWS::AccountId}',
    ),
    ArchiveAddress: output('CERTBUS_ARCHIVE', 's3://${Archive}/certbus/${Stream}?region=${AWS::Region}'),
    FunctionName: output('The manager', '${Manager}'),
    AcmFunctionName: { ...output('What imports into ACM', '${Acm}'), Condition: 'HasAcm' },
    LoadBalancerPolicyArn: output('For the roles of load balancers', '${LoadBalancerPolicy}'),
  },
};
