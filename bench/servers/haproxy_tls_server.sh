#!/usr/bin/env bash
# haproxy terminating TLS in front of the bare echo server, with one thread and with the settings of
# the other servers of the section. It becomes haproxy, so its CPU time is haproxy's alone.
set -euo pipefail

cert='' key=''
while (($# > 1)); do
  case $1 in
    --cert) cert=$2 ;;
    --key) key=$2 ;;
    *) ;; # --mode echo
  esac
  shift 2
done

folder=$(mktemp -d)
cat "$cert" "$key" >"$folder/both.pem"
setpriv --pdeathsig KILL "$(dirname "$0")/bare_epoll_server" --mode echo >"$folder/backend" &
until [[ -s $folder/backend ]]; do sleep 0.02; done
read -r _ backend <"$folder/backend"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$folder/haproxy.cfg" <<CONFIG
global
  nbthread 1
  maxconn 8000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen tls
  bind 127.0.0.1:$port ssl crt $folder/both.pem ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 curves X25519
  server echo 127.0.0.1:$backend
CONFIG
{
  until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.02; done
  echo "listening $port"
  rm -rf "$folder"
} &
exec haproxy -db -q -f "$folder/haproxy.cfg"
