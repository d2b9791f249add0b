#!/usr/bin/env bash
# Brings Apache Kafka's own jars into .cache/kafka, for the tests that start a broker. Needs Java 17 or later, and Maven.
# Never fails: those tests say so themselves, and under CI=true they fail without it.
set -uo pipefail

version=4.1.0
folder="$(cd "$(dirname "$0")/.." && pwd)/.cache/kafka/$version"
[ -e "$folder/.complete" ] && exit 0

if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
    echo "No Kafka: java (17 or later) and mvn bring it. The tests that need a broker are skipped."
    exit 0
fi

echo "Fetching Apache Kafka $version (half a minute) ..."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>guilder</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
mkdir -p "$folder"
if mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder" -DincludeScope=runtime \
    >"$work/log" 2>&1; then
    touch "$folder/.complete"
    echo "Fetched Kafka into .cache/kafka."
else
    tail -n 5 "$work/log"
    echo "Could not fetch Kafka; the tests that need a broker are skipped."
fi
