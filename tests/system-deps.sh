#!/bin/sh
# Installs what needs root (Debian): Node for the test of a client in another language, h2load for `hub bench check`, promtool for the
# tests of the alerts, haproxy for those of the proxy in front, etcd for `hub bench failover` and its test, Chromium without its windows
# for those of the console, and Chinese fonts for those and for the reports of audits.
# --quiet says nothing when all is there; --only-name-missing installs nothing and says what to do.
set -eu
missing=""
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
command -v h2load >/dev/null 2>&1 || missing="$missing nghttp2-client"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v haproxy >/dev/null 2>&1 || [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
command -v etcd >/dev/null 2>&1 || missing="$missing etcd-server"
command -v chromium-headless-shell >/dev/null 2>&1 || missing="$missing chromium-headless-shell"
[ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || missing="$missing fonts-noto-cjk"
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"
if [ -z "$missing" ]; then
    [ "${1:-}" = "" ] && echo "nothing is missing"
    exit 0
fi
if [ "${1:-}" = "--only-name-missing" ] || [ "$(id -u)" != 0 ]; then
    echo "missing:$missing — run 'make system-deps' as root, or install them with your own package manager"
    exit 0
fi
echo "installing:$missing"
apt-get update -qq
# promtool comes with a Prometheus, haproxy and etcd are services: none is to start, now (policy-rc.d) or with the machine (mask).
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
fi
case "$missing" in *prometheus*) [ ! -d /run/systemd/system ] || systemctl mask --quiet prometheus.service ;; esac
case "$missing" in *haproxy*) [ ! -d /run/systemd/system ] || systemctl mask --quiet haproxy.service ;; esac
case "$missing" in *etcd*) [ ! -d /run/systemd/system ] || systemctl mask --quiet etcd.service ;; esac
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
