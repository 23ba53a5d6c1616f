/** The policies of the template: those that `certbus bus bootstrap` prints, of the template's parameters. */
import { createPolicies, type PolicyDocument, type PolicyPlace, type Statement } from '../policies/index.ts';
import { type Value, when } from './intrinsics.ts';

/** What the policies of the template are about, in texts of CloudFormation. */
const PLACE: PolicyPlace = {
  // Not that of the resource, whose own policy names it as well.
  tableArn: 'arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}',
  stream: '${Stream}',
  archive: { bucketArn: '${Archive.Arn}', prefix: 'certbus/${Stream}' },
  // What stands before each member of a list has to be a plain text.
  zoneArns: ['arn:aws:route53:::hostedzone/${HostedZones}'],
  delegated: ['${DelegatedNames}'],
  parameterArns: ['arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${ManagerKeyParameter}'],
  checkpointArn: 'arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${CheckpointParameter}',
  identityArn: 'arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${AcmIdentityParameter}',
  keyArn: '${KmsKey}',
  accounts: ['${ReaderAccounts}'],
};

/** Statements that are there only where zones are given: a policy of their own, whose condition is that of a resource. */
const OF_ZONES = new Set(['CertBusChallenges', 'CertBusRecords', 'CertBusChanges', 'CertBusZones']);
/** The statement that is there only where a KMS key is given. */
const OF_KEY = 'CertBusKey';

type Statements = PolicyDocument['Statement'];

// Without what is undefined.
const asValue = (statements: Statements): Value => JSON.parse(JSON.stringify(statements)) as Value;

/** A policy of some statements, of which that of the key depends on the parameter. */
function documentOf({ Version, Statement: all }: PolicyDocument, wanted: (statement: Statement) => boolean): Value {
  const statements = all.filter(wanted);
  const withoutKey = statements.filter(({ Sid }) => Sid !== OF_KEY);
  const isSame = withoutKey.length === statements.length;
  return {
    Version,
    // Not an element that is left out: moto keeps a null in its place.
    Statement: isSame ? asValue(statements) : when('HasKmsKey', asValue(statements), asValue(withoutKey)),
  };
}

const { manager, loadBalancer, acm, table, bucket } = createPolicies(PLACE);
const isOfZones = ({ Sid }: Statement): boolean => OF_ZONES.has(Sid);
const whole = (document: PolicyDocument): Value => documentOf(document, () => true);

/** The policies, as values of the template. */
export const POLICIES: {
  /** That of the manager, without zones. */
  readonly manager: Value;
  /** The manager's part for zones. */
  readonly challenges: Value;
  readonly loadBalancer: Value;
  readonly acm: Value;
  readonly table: Value;
  readonly bucket: Value;
} = {
  manager: documentOf(manager, (statement) => !isOfZones(statement)),
  challenges: documentOf(manager, isOfZones),
  loadBalancer: whole(loadBalancer),
  acm: acm ? whole(acm) : {},
  table: table ? whole(table) : {},
  bucket: bucket ? whole(bucket) : {},
};
