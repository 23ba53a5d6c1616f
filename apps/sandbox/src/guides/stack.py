"""
Stands in for what moto lacks of CloudFormation and Lambda. `stack.py deploy …` takes the place of `aws cloudformation deploy`: moto makes no outputs by
change sets, and cannot update a stack. What a function is run with, `stack.py function NAME FOLDER` prints as JSON, after it has put the code there.
"""
import ast, io, json, os, sys, zipfile
import boto3

STACK = "certbus"
# Where the parameters are remembered that the stack was deployed with.
MEMORY = os.path.join(os.environ["ROOT"], "stack.json")
cloudformation, functions, iam, s3 = (boto3.client(name) for name in ("cloudformation", "lambda", "iam", "s3"))

# What of the functions' variables is a parameter as it is.
VARIABLES = {
    "CERTBUS_TRUST": "Trust",
    "CERTBUS_ACM_CERTIFICATES": "AcmCertificates",
    "CERTBUS_ACM_REGIONS": "AcmRegions",
}


def physical(name):
    """The name that a resource of the template has. moto fails where one is asked for alone."""
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    return next(each["PhysicalResourceId"] for each in resources if each.get("LogicalResourceId") == name)


def create(template, parameters):
    """Makes the stack, the part for ACM with it: moto cannot add that later."""
    given = {"AcmCertificates": "nothing", **parameters}
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    # moto reads the template's word for this, and does nothing.
    s3.put_bucket_versioning(Bucket=physical("Archive"), VersioningConfiguration={"Status": "Enabled"})


def update(parameters):
    """Gives the functions the parameters that are variables of theirs."""
    for name in ("Manager", "Acm"):
        function = physical(name)
        variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        changed = {key: parameters.get(VARIABLES.get(key), value) for key, value in variables.items()}
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": changed})


def deploy(args):
    """What `aws cloudformation deploy` does, and prints."""
    template = open(args[args.index("--template-file") + 1]).read()
    overrides = args[args.index("--parameter-overrides") + 1 :]
    before = json.load(open(MEMORY)) if os.path.exists(MEMORY) else None
    # CloudFormation reads "\n" in a value as it is typed, and so does the function.
    parameters = {**(before or {}), **dict(each.split("=", 1) for each in overrides)}
    if before is None:
        create(template, parameters)
    else:
        update(parameters)
    json.dump(parameters, open(MEMORY, "w"))
    print("\nWaiting for changeset to be created..\nWaiting for stack create/update to complete")
    print(f"Successfully created/updated stack - {STACK}")


def policies_of(role):
    """A role's own policies: moto keeps those of a template as Python writes them."""
    documents = (iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                 for name in iam.list_role_policies(RoleName=role)["PolicyNames"])
    return [ast.literal_eval(each) if isinstance(each, str) else each for each in documents]


def function(name, folder):
    """Unpacks the code of a function, and tells its variables, its handler and what its role may do."""
    parameters = json.load(open(MEMORY))
    code = s3.get_object(Bucket=parameters["CodeBucket"], Key=parameters.get("CodeKey", "lambda.zip"))["Body"].read()
    zipfile.ZipFile(io.BytesIO(code)).extractall(folder)
    configuration = functions.get_function_configuration(FunctionName=name)
    role = configuration["Role"].rsplit("/", 1)[1]
    print(json.dumps({
        "variables": configuration["Environment"]["Variables"],
        "handler": configuration["Handler"],
        "role": role,
        "policies": policies_of(role),
    }))


if sys.argv[1] == "deploy":
    deploy(sys.argv[2:])
else:
    function(*sys.argv[2:])
