#!/usr/bin/env bash
# Installs what the tests need and a bare Debian lacks: Java and Maven for DynamoDB Local, Python's venv for moto, age and zstd to open
# what is written here with stock tools, strace to see what is flushed to the disk, and the name servers that the DNS solvers are tested
# against. Where all of it is there it does nothing. Pebble needs no package: the tests bring it themselves.
set -euo pipefail
wanted=()
command -v java >/dev/null || wanted+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || wanted+=(maven)
command -v age >/dev/null || wanted+=(age)
command -v zstd >/dev/null || wanted+=(zstd)
PATH=$PATH:/usr/sbin
command -v named >/dev/null || wanted+=(bind9)
command -v nsupdate >/dev/null || wanted+=(bind9-dnsutils)
command -v knotd >/dev/null || wanted+=(knot)
command -v pdns_server >/dev/null || wanted+=(pdns-server)
[ -d /usr/share/pdns-backend-sqlite3 ] || wanted+=(pdns-backend-sqlite3)
python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3 python3-venv)
command -v strace >/dev/null || wanted+=(strace)
command -v git >/dev/null || wanted+=(git ca-certificates)
[ "${#wanted[@]}" -eq 0 ] && exit 0
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
# The tests start the name servers, each on a port of its own; as services of the machine they would fight for port 53.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${wanted[@]}"
