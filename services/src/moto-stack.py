"""Deploys a template to moto, and prints what each service says of what was made, as JSON: moto leaves out types that it does not know."""
import ast, json, sys
import boto3
from botocore.config import Config

endpoint, region, template, parameters = sys.argv[1:5]
# A machine under load takes its time, and a request that is repeated finds what the first one made.
patient = Config(read_timeout=300, retries={"total_max_attempts": 1})
keys = dict(config=patient, region_name=region, endpoint_url=endpoint, aws_access_key_id="AKIAALLROLES", aws_secret_access_key="x")
client = lambda name: boto3.client(name, **keys)
cloudformation, s3, iam = client("cloudformation"), client("s3"), client("iam")

s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": region})
s3.put_object(Bucket="code", Key="lambda.zip", Body=b"PK\x05\x06" + bytes(18))
given = [{"ParameterKey": key, "ParameterValue": value} for key, value in json.loads(parameters).items()]
cloudformation.create_stack(
    StackName="certbus", TemplateBody=open(template).read(), Parameters=given, Capabilities=["CAPABILITY_IAM"]
)
stack = cloudformation.describe_stacks(StackName="certbus")["Stacks"][0]
resources = {
    resource["LogicalResourceId"]: resource.get("PhysicalResourceId")
    for resource in cloudformation.describe_stack_resources(StackName="certbus")["StackResources"]
    if "LogicalResourceId" in resource
}


def told(answer):
    """What an API answers."""
    answer.pop("ResponseMetadata", None)
    return answer


def policy_of(document):
    """moto keeps a role's own policies as Python writes them."""
    return ast.literal_eval(document) if isinstance(document, str) and document.startswith("{'") else document


def policies_of(role):
    """A role's own policies, by name."""
    return {
        name: policy_of(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }


def rule_of(name):
    """A rule, and what it calls."""
    rule = next(rule for rule in client("events").list_rules()["Rules"] if rule["Name"] == name)
    return rule, client("events").list_targets_by_rule(Rule=name)["Targets"]


role = resources["ManagerRole"]
bucket = resources["Archive"]
policy = iam.get_policy(PolicyArn=resources["LoadBalancerPolicy"])["Policy"]
function = resources["Manager"]
rule, targets = rule_of(resources["Schedule"])
print(json.dumps({
    "status": stack["StackStatus"],
    "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
    "resources": resources,
    "table": told(client("dynamodb").describe_table(TableName=resources["Bus"])),
    "encryption": told(s3.get_bucket_encryption(Bucket=bucket)),
    "role": told(iam.get_role(RoleName=role)),
    "rolePolicies": policies_of(role),
    "loadBalancerPolicy": iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])[
        "PolicyVersion"
    ]["Document"],
    "function": told(client("lambda").get_function_configuration(FunctionName=function)),
    "concurrency": told(client("lambda").get_function_concurrency(FunctionName=function)),
    "permission": told(client("lambda").get_policy(FunctionName=function)),
    "rule": rule,
    "targets": targets,
    "acm": {
        "function": told(client("lambda").get_function_configuration(FunctionName=resources["Acm"])),
        "rolePolicies": policies_of(resources["AcmRole"]),
        "permission": told(client("lambda").get_policy(FunctionName=resources["Acm"])),
        "targets": rule_of(resources["AcmSchedule"])[1],
    },
    "logGroups": client("logs").describe_log_groups()["logGroups"],
}, default=str))
