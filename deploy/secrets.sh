#!/usr/bin/env bash
# Makes the secrets of docker-compose.yml in deploy/secrets, those that are not there yet. Keep a copy in a safe place.
# The folder is closed to others; the files are readable, because Docker mounts them as they are for other user ids.
set -euo pipefail
folder="${1:-$(dirname "$0")/secrets}"
umask 077
mkdir -p "$folder"

secret() { # NAME: a password of 32 letters and digits, made once
  local file=$folder/$1
  if [ ! -s "$file" ]; then
    local letters
    letters=$(head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9')
    printf '%s' "${letters:0:32}" > "$file"
  fi
}

for name in postgres_password alertmanager_token grafana_password; do secret "$name"; done
rm -f "$folder/database_url" "$folder/nats_passwords"
printf 'postgresql://penstock:%s@postgres/penstock' "$(cat "$folder/postgres_password")" > "$folder/database_url"
for user in orchestrator runner notifier observer publisher; do
  secret "nats_${user}_password"
  printf 'PASSWORD_%s: "%s"\n' "${user^^}" "$(cat "$folder/nats_${user}_password")" >> "$folder/nats_passwords"
done
chmod 0444 "$folder"/*
