"""A stand-in for AWS KMS: moto, which checks every signature with botocore and every action with IAM.

Prints one line of JSON with its port, keys and credentials, and serves until its input ends.
"""

import json
import logging
import sys
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
ACTIONS = ["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"]


def person(iam, name, actions):
    """A user who may do `actions` and nothing else."""
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def session(iam, sts, actions):
    """Temporary credentials, with a token."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="wrapper", AssumeRolePolicyDocument=trust)["Role"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="wrapper", PolicyName="wrap", PolicyDocument=policy)
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    token = given["SessionToken"]
    return {"id": given["AccessKeyId"], "secret": given["SecretAccessKey"], "token": token}


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def client(service):
        given = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
        return boto3.client(service, region_name=REGION, endpoint_url=url, **given)

    kms, iam = client("kms"), client("iam")
    keys = [kms.create_key()["KeyMetadata"] for _ in range(2)]
    kms.create_alias(AliasName="alias/haechi", TargetKeyId=keys[0]["KeyId"])
    told = {
        "port": port,
        "region": REGION,
        "keys": [{"id": key["KeyId"], "arn": key["Arn"]} for key in keys],
        "permitted": person(iam, "wrapper", ACTIONS),
        "denied": person(iam, "stranger", ["kms:ListKeys"]),
        "session": session(iam, client("sts"), ACTIONS),
    }
    # From here on nothing passes without a signature that botocore makes too, and permission.
    reset = urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0")
    reset.add_header("Content-Type", "text/plain")
    urllib.request.urlopen(reset).read()
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    server.stop()


main()
