/** Tests of the template by others: cfn-lint judges it, and moto deploys it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deployStack, lintTemplates, type Moto, requirePart, startMoto, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { createPolicies } from '../policies/index.ts';
import { TEMPLATE } from './template.ts';

const part = requirePart('moto');
const region = 'eu-central-1';

describe.skipIf(part.skip)(part.title('the template'), () => {
  const { path: folder, remove } = temporaryFolder();
  let moto: Moto | undefined;
  const write = (name: string, template: unknown): string => {
    const file = join(folder, name);
    writeFileSync(file, JSON.stringify(template));
    return file;
  };
  afterAll(async () => {
    await moto?.stop();
    remove();
  });

  test('has no findings of cfn-lint, which finds what is wrong', async () => {
    const [good, damaged] = [write('good.json', TEMPLATE), structuredClone(TEMPLATE) as ReturnType<typeof JSON.parse>];
    damaged.Resources.Manager.Properties.Timeout = 901;
    damaged.Resources.Bus.Properties.BillingMod = 'PAY_PER_REQUEST';
    damaged.Resources.ManagerRole.Properties.Policies[1].PolicyDocument.Statement[0].Action = ['logs:PutEvents'];
    const [none, some = []] = await lintTemplates([good, write('damaged.json', damaged)]);
    expect(none).toEqual([]);
    const findings = some.join('\n').toLowerCase();
    for (const what of ['901', 'billingmod', 'putevents']) expect(findings).toContain(what);
  });

  test("with a KMS key of one's own the archive is encrypted by it, and each role can use it", async () => {
    const own = await startMoto();
    onTestFinished(() => own.stop());
    const scope = `Credential=AKIAALLROLES/20260101/${region}/kms/aws4_request`;
    const made = await fetch(own.endpoint, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=x`,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'TrentService.CreateKey',
      },
      body: '{}',
    });
    const keyArn = ((await made.json()) as { readonly KeyMetadata: { readonly Arn: string } }).KeyMetadata.Arn;
    expect(keyArn).toMatch(/^arn:aws:kms:eu-central-1:123456789012:key\//);
    const stack = await deployStack(own, write('kms.json', TEMPLATE), {
      region,
      parameters: { Trust: 'certbus1 BUS ROOT', CodeBucket: 'code', KmsKey: keyArn, AcmCertificates: '*' },
    });
    // moto makes no table of a template encrypted: the tests of the text hold that.
    expect(stack.encryption.ServerSideEncryptionConfiguration.Rules).toMatchObject([
      { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: keyArn } },
    ]);
    const policies = createPolicies({
      tableArn: stack.table.Table.TableArn,
      stream: 'prod',
      archive: { bucketArn: `arn:aws:s3:::${stack.resources.Archive}`, prefix: 'certbus/prod' },
      parameterArns: [`arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/manager-key`],
      checkpointArn: `arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/checkpoint`,
      identityArn: `arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/acm-identity`,
      keyArn,
    });
    expect(stack.rolePolicies.certbus).toEqual(policies.manager);
    expect(stack.loadBalancerPolicy).toEqual(policies.loadBalancer);
    expect(stack.acm.rolePolicies.certbus).toEqual(policies.acm);
    for (const { Statement } of [policies.manager, policies.loadBalancer, policies.acm ?? policies.operator])
      expect(Statement.at(-1)).toMatchObject({ Sid: 'CertBusKey', Resource: keyArn });
  });

  test('is deployed, each resource as its own service has it', async () => {
    moto = await startMoto();
    const stack = await deployStack(moto, write('template.json', TEMPLATE), {
      region,
      parameters: {
        Trust: 'certbus1 BUS ROOT',
        CodeBucket: 'code',
        HostedZones: 'Z1,Z2',
        DelegatedNames: '*.acme.test',
        ReaderAccounts: '210987654321',
        AlarmTopic: `arn:aws:sns:${region}:123456789012:alarms`,
        ReservedConcurrency: '1',
        AcmCertificates: '*.example.com,www.example.com',
        AcmRegions: 'us-east-1',
      },
    });
    expect(stack.status).toBe('CREATE_COMPLETE');
    expect(stack.resources).toMatchObject({ Bus: 'certbus' });
    const { Table: table } = stack.table;
    expect(table).toMatchObject({
      TableName: 'certbus',
      DeletionProtectionEnabled: true,
      BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
      KeySchema: [
        { AttributeName: 's', KeyType: 'HASH' },
        { AttributeName: 'v', KeyType: 'RANGE' },
      ],
    });
    expect(table).not.toHaveProperty('SSEDescription');
    expect(JSON.stringify(stack.encryption)).toContain('AES256');
    const bucketArn = `arn:aws:s3:::${stack.resources.Archive}`;
    const policies = createPolicies({
      tableArn: table.TableArn,
      stream: 'prod',
      archive: { bucketArn, prefix: 'certbus/prod' },
      zoneArns: ['arn:aws:route53:::hostedzone/Z1', 'arn:aws:route53:::hostedzone/Z2'],
      delegated: ['*.acme.test'],
      parameterArns: [`arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/manager-key`],
      checkpointArn: `arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/checkpoint`,
      identityArn: `arn:aws:ssm:${region}:123456789012:parameter/certbus/prod/acm-identity`,
      accounts: ['210987654321'],
    });
    const { certbus, challenges } = stack.rolePolicies;
    const bySid = (statements: readonly { readonly Sid: string }[]) =>
      statements.toSorted((one, other) => one.Sid.localeCompare(other.Sid));
    expect(bySid([...certbus.Statement, ...challenges.Statement])).toEqual(bySid(policies.manager.Statement));
    expect(stack.rolePolicies.log.Statement[0].Action).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents']);
    expect(stack.loadBalancerPolicy).toEqual(policies.loadBalancer);
    expect(stack.role.Role.AssumeRolePolicyDocument.Statement[0].Principal.Service).toBe('lambda.amazonaws.com');
    expect(stack.function).toMatchObject({
      Runtime: 'nodejs24.x',
      Handler: 'index.handler',
      Timeout: 900,
      MemorySize: 512,
      Environment: {
        Variables: {
          CERTBUS_BUS: `dynamodb://certbus/prod?region=${region}`,
          CERTBUS_TRUST: 'certbus1 BUS ROOT',
          CERTBUS_ARCHIVE: `s3://${stack.resources.Archive}/certbus/prod?region=${region}`,
          CERTBUS_MANAGER_KEY: 'ssm:/certbus/prod/manager-key',
          CERTBUS_CHECKPOINT: 'ssm:/certbus/prod/checkpoint',
        },
      },
    });
    expect(stack.concurrency).toEqual({ ReservedConcurrentExecutions: 1 });
    expect(stack.permission.Policy).toContain('events.amazonaws.com');
    expect(stack.rule).toMatchObject({ ScheduleExpression: 'rate(1 hour)', State: 'ENABLED' });
    expect(stack.targets).toMatchObject([{ Id: 'manager', Arn: stack.function.FunctionArn }]);
    expect(stack.acm.function).toMatchObject({
      Handler: 'acm.handler',
      Environment: {
        Variables: {
          CERTBUS_BUS: `dynamodb://certbus/prod?region=${region}`,
          CERTBUS_IDENTITY: 'ssm:/certbus/prod/acm-identity',
          CERTBUS_ACM_CERTIFICATES: '*.example.com,www.example.com',
          CERTBUS_ACM_REGIONS: 'us-east-1',
        },
      },
    });
    expect(stack.acm.function.Role).not.toBe(stack.function.Role);
    expect(stack.acm.function.Environment.Variables).not.toHaveProperty('CERTBUS_MANAGER_KEY');
    expect(stack.acm.rolePolicies.certbus).toEqual(policies.acm);
    expect(stack.acm.permission.Policy).toContain('events.amazonaws.com');
    expect(stack.acm.targets).toMatchObject([{ Id: 'acm', Arn: stack.acm.function.FunctionArn }]);
    expect(stack.logGroups).toMatchObject([{ retentionInDays: 90 }]);
    expect(stack.outputs).toMatchObject({
      BusAddress: `dynamodb://certbus/prod?region=${region}`,
      BusAddressElsewhere: `dynamodb://certbus/prod?region=${region}&account=123456789012`,
    });
    // moto does not know these types, and says nothing: the tests of the text hold them, and what of a bucket it does not keep.
    const left = Object.keys(TEMPLATE.Resources).filter((name) => !Object.hasOwn(stack.resources, name));
    expect(left).toEqual([
      'ArchivePolicy',
      'NoRetries',
      'ErrorsAlarm',
      'SilenceAlarm',
      'AcmNoRetries',
      'AcmErrorsAlarm',
      'AcmSilenceAlarm',
    ]);
  });
});
