#!/usr/bin/env bash
# Guilder on AWS, stack by stack: `deploy/aws/deploy.sh network data cluster edge`, or one of them again after a change.
# Reads deploy/aws/production.env (see production.env.example); needs the aws command, signed in.
#   deploy.sh STACK…          network | data | cluster | edge | services | watching, in this order the first time
#   deploy.sh run TASK        prepare | migrate | doctor, once, and wait for it
#   IMAGE=… deploy.sh services   gives it another image; otherwise the one that runs stays, and SERVICES_Image is the first
set -euo pipefail
shopt -s inherit_errexit
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=/dev/null
source "${SETTINGS:-$here/production.env}"
: "${INSTALLATION:=guilder}" "${AWS_REGION:?the region, such as eu-central-1}"
export AWS_REGION AWS_PAGER=""

exported() { # NAME: what a stack has exported
    aws cloudformation list-exports --query "Exports[?Name=='$INSTALLATION-$1'].Value" --output text
}

settings_of() { # STACK: its parameters, as Name=value, from names such as DATA_DatabaseClass
    local prefix="${1^^}_"
    for name in $(compgen -v "$prefix"); do printf '%s=%s\n' "${name#"$prefix"}" "${!name}"; done
}

running_image() { # of the doctor, who has what the last release that became stable had; nothing before the first
    local families
    families="$(aws ecs list-task-definition-families --family-prefix "$INSTALLATION-doctor" --status ACTIVE --query 'families[0]' --output text)"
    [ "$families" = "$INSTALLATION-doctor" ] || return 0
    aws ecs describe-task-definition --task-definition "$INSTALLATION-doctor" --query 'taskDefinition.containerDefinitions[0].image' --output text
}

brokers() {
    local cluster
    cluster="$(exported kafka)"
    [ -z "$cluster" ] || aws kafka get-bootstrap-brokers --cluster-arn "$cluster" --query BootstrapBrokerStringSaslScram --output text
}

deploy() { # STACK
    local parameters=("Installation=$INSTALLATION") image="" servers=""
    if [ "$1" = services ]; then
        image="${IMAGE:-$(running_image)}"
        servers="$(brokers)"
        SERVICES_Image="${image:-${SERVICES_Image:-}}"
    fi
    mapfile -t -O 1 parameters < <(settings_of "$1")
    [ "$1" != services ] || parameters+=("KafkaBootstrapServers=$servers")
    echo "== $INSTALLATION-$1"
    aws cloudformation deploy --stack-name "$INSTALLATION-$1" --template-file "$here/$1.yaml" \
        --parameter-overrides "${parameters[@]}" --tags "installation=$INSTALLATION" \
        --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset
}

run() { # TASK
    local network task code
    network="awsvpcConfiguration={assignPublicIp=DISABLED,subnets=[$(exported private-subnets)],securityGroups=[$(exported services-group)]}"
    task="$(aws ecs run-task --cluster "$INSTALLATION" --launch-type FARGATE --task-definition "$INSTALLATION-$1" \
        --network-configuration "$network" --query 'tasks[0].taskArn' --output text)"
    echo "== $1: $task (its log: /$INSTALLATION/$1)"
    aws ecs wait tasks-stopped --cluster "$INSTALLATION" --tasks "$task"
    code="$(aws ecs describe-tasks --cluster "$INSTALLATION" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)"
    [ "$code" = 0 ] || { echo "$1 ended with $code; its log says why"; exit 1; }
}

[ $# -gt 0 ] || { sed -n '2,6s/^# *//p' "$0"; exit 2; }
if [ "$1" = run ]; then
    run "${2:?prepare, migrate or doctor}"
else
    for stack in "$@"; do deploy "$stack"; done
fi
