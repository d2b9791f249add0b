#!/usr/bin/env bash
# Rolls one image out on ECS:   deploy/github/roll.sh REPOSITORY@sha256:…
#
#   1. the migration, once, with the new image, and waited for. If it fails nothing else was touched: what runs goes on,
#      on tables that both versions can use.
#   2. every service gets a task definition that differs from its own in the image alone, and is rolled by ECS.
#   3. all of them have to become stable on the new one; if one does not, all go back to what they had.
#   4. the doctor, who is started by the clock, is the new one from then on; deploy.sh knows by it which image runs.
#
# What the tasks are otherwise is said by deploy/aws/services.yaml. Wants the aws command, signed in.
# INSTALLATION (guilder) is the cluster and the first part of the names of task definitions; SERVICES those to roll.
set -euo pipefail
shopt -s inherit_errexit

image="${1:?the image, by its digest}"
cluster="${INSTALLATION:=guilder}"
read -r -a services <<<"${SERVICES:-api worker scheduler relay}"
here="$(cd "$(dirname "$0")" && pwd)"
[[ "$image" == *@sha256:* ]] || { echo "$image is no digest: what was tested would not be what runs"; exit 2; }

render() { # FAMILY-OR-ARN: this definition with the new image, registered; prints its ARN
    local file failed=0
    file="$(mktemp)"
    aws ecs describe-task-definition --task-definition "$1" --query taskDefinition --output json |
        python3 "$here/render.py" "$image" >"$file" &&
        aws ecs register-task-definition --cli-input-json "file://$file" --query taskDefinition.taskDefinitionArn --output text ||
        failed=1
    rm -f "$file"
    return "$failed"
}

of_service() { # SERVICE QUERY
    aws ecs describe-services --cluster "$cluster" --services "$1" --query "services[0].$2" --output "${3:-text}"
}

migrate() {
    local definition network task code tries=6
    definition="$(render "$INSTALLATION-migrate")"
    network="$(of_service "${services[0]}" networkConfiguration json)"
    task="$(aws ecs run-task --cluster "$cluster" --launch-type FARGATE --task-definition "$definition" \
        --network-configuration "$network" --query 'tasks[0].taskArn' --output text)"
    echo "== migrating: $task"
    # An hour: the command gives up after ten minutes, and the migration does not.
    until aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"; do
        ((--tries)) || { echo "The migration goes on after an hour; nothing was rolled."; exit 1; }
    done
    code="$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)"
    [ "$code" = 0 ] || { echo "The migration ended with $code; nothing was rolled. Its log says why."; exit 1; }
}

roll() { # SERVICE DEFINITION
    aws ecs update-service --cluster "$cluster" --service "$1" --task-definition "$2" --query service.serviceName --output text
}

roll_all() {
    local service
    for service in "${services[@]}"; do
        echo "== rolling $service"
        roll "$service" "${new[$service]}" || return 1
    done
}

stable() {
    # Twice ten minutes: the command gives up after one.
    aws ecs wait services-stable --cluster "$cluster" --services "${services[@]}" ||
        aws ecs wait services-stable --cluster "$cluster" --services "${services[@]}"
}

arrived() { # whether every service runs what it was given, and ECS has not gone back by itself
    local service
    for service in "${services[@]}"; do
        [ "$(of_service "$service" taskDefinition)" = "${new[$service]}" ] || { echo "$service did not stay on the new image"; return 1; }
    done
}

declare -A old new
migrate
for service in "${services[@]}"; do
    old[$service]="$(of_service "$service" taskDefinition)"
    new[$service]="$(render "${old[$service]}")"
done
if roll_all && stable && arrived; then
    echo "Everything runs $image."
    render "$INSTALLATION-doctor" || echo "The doctor looks with the image before: its definition was not taken."
    exit 0
fi
echo "== going back"
for service in "${services[@]}"; do
    roll "$service" "${old[$service]}" || echo "$service does not take the old image back: look at it."
done
stable || echo "The services are not stable on the old image either: look at them."
exit 1
