#!/bin/sh
# Brings a deployment to where hub and adapters can start: schema, both card centres with their feeds and certificates, and a copy of
# each centre's certificate where only its adapter finds it. Run again, it changes nothing but what is new.
set -eu
hub migrate
hub participants add sc.card-center --province 51 --title "四川省社保卡平台 Sichuan card centre" --feed sc.card-center --feed sc.usage --every-role
hub participants add cq.card-center --province 50 --title "重庆市社保卡平台 Chongqing card centre" --feed cq.card-center --feed cq.usage --every-role

# A rotated certificate lies beside the ones before it, as NAME_2.crt and so on: the newest is handed over.
hand_over() {
    directory="$HUB_DATA_DIR/certificates"
    newest=$(find "$directory" -name "$1.crt" -o -name "$1_*.crt" | xargs ls -t | head -n 1)
    install -m 0400 "$directory/ca.crt" "/run/certificates/$2/ca.crt"
    install -m 0400 "$newest" "/run/certificates/$2/$1.crt"
    install -m 0400 "${newest%.crt}.key" "/run/certificates/$2/$1.key"
}
hand_over sc.card-center sichuan
hand_over cq.card-center chongqing
