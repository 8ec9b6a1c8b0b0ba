#!/bin/sh
# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
#
# Run a command on another Debian: see usage() below.

set -eu

usage() {
    cat <<TEXT
Usage: tests/chroot.sh RELEASE COMMAND [ARGUMENT]...

Runs a command in a copy of this source tree, in a chroot of the Debian
RELEASE:

  bookworm            Debian 12
  bookworm-backports  the same, with Dovecot from its backports
  trixie              Debian 13
  testing             Debian's testing distribution, as it is today

The chroot is made by debootstrap in \$POP3_POLICY_CHROOTS/RELEASE (without the
variable, in /var/cache/dovecot-pop3-policy), and used again the next time.
The command's processes end with it; the copy stays, until the next time. Run
this as root.
TEXT
}

top=$(cd "$(dirname "$0")/.." && pwd)
# the same in the chroot, where the copy is
copy=/srv/dovecot-pop3-policy
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

die() {
    echo "chroot.sh: $*" >&2
    exit 1
}

# Become this script's --inside, with mounts and processes of its own, all of
# which are gone when this process is, however it ended.
isolated() {
    exec setpriv --pdeathsig KILL unshare --mount --mount-proc --pid --fork \
        --kill-child=KILL -- sh "$top/tests/chroot.sh" --inside "$@"
}

# What else the machine's apt-get needs to know to reach its servers.
apt_settings() {
    echo 'APT::Keep-Downloaded-Packages "false";'
    apt-config dump Acquire |
        grep -E '^Acquire::(Check-|https?::|ForceIP|Retries)' || :
}

# make: a Debian in $dir
make_debian() {
    if ! command -v debootstrap >/dev/null; then
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install -y \
            --no-install-recommends debootstrap debian-archive-keyring
    fi
    debootstrap --variant=minbase "${release%-backports}" "$dir"
    apt_settings >"$dir/etc/apt/apt.conf.d/90pop3-policy"
    [ -e "$dir/etc/hosts" ] || echo '127.0.0.1 localhost' >"$dir/etc/hosts"
    case $release in
    *-backports)
        sed "s/ ${release%-backports} / $release /" \
            "$dir/etc/apt/sources.list" \
            >"$dir/etc/apt/sources.list.d/backports.list"
        printf '%s\n' 'Package: dovecot-*' "Pin: release n=$release" \
            'Pin-Priority: 990' >"$dir/etc/apt/preferences.d/dovecot"
        ;;
    esac
}

upgrade_debian() {
    chroot "$dir" apt-get update
    DEBIAN_FRONTEND=noninteractive chroot "$dir" apt-get dist-upgrade -y \
        --no-install-recommends
}

# The tree as a clone would have it, and what is not committed yet.
copy_tree() {
    rm -rf "${dir:?}$copy"
    mkdir -p "$dir$copy"
    cd "$top"
    if [ -e .git ] && command -v git >/dev/null; then
        git -c safe.directory='*' ls-files -z --cached --others \
            --exclude-standard |
            tar -c --null -T - --ignore-failed-read 2>/dev/null
    else
        tar -c --exclude=./build .
    fi | tar -x -C "$dir$copy" --no-same-owner
    [ -x "$dir$copy/quickstart" ] || die "cannot copy $top"
}

mount_filesystems() {
    mount -t proc proc "$dir/proc"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$dir/sys"
    mount --rbind /dev "$dir/dev"
    mkdir -p "$dir/dev/pts" "$dir/dev/shm"
    mount -t devpts -o mode=620,gid=5,ptmxmode=666,newinstance devpts \
        "$dir/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$dir/dev/shm"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$dir/tmp"
    # the network's settings may be other ones than last time
    if [ -e /etc/resolv.conf ]; then
        rm -f "$dir/etc/resolv.conf"
        cat /etc/resolv.conf >"$dir/etc/resolv.conf"
    fi
}

# What runs isolated. It waits for its children, adopted ones too.
inside() {
    todo=$1
    release=$2
    dir=$3
    shift 3
    case $todo in
    make)
        make_debian
        ;;
    upgrade)
        mount_filesystems
        upgrade_debian
        ;;
    run)
        copy_tree
        mount_filesystems
        status=0
        # shellcheck disable=SC2086
        chroot "$dir" /usr/bin/env -i PATH="$PATH" HOME=/root \
            LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" ${CI:+CI="$CI"} \
            ${http_proxy:+http_proxy="$http_proxy"} \
            sh -c 'cd "$0" && exec "$@"' "$copy" "$@" || status=$?
        return $status
        ;;
    esac
}

# Is it there, and neither half made nor half changed by apt-get?
is_whole() {
    [ "$(cat "$dir.made" 2>/dev/null)" = "$made" ] &&
        audit=$(chroot "$dir" dpkg --audit 2>&1) && [ -z "$audit" ]
}

# logged WHAT TODO
logged() {
    printf '%s ' "$1"
    begun=$(date +%s)
    mkdir -p "$top/build/log"
    log=$top/build/log/chroot-$release.log
    if ! (isolated "$2" "$release" "$dir") >"$log" 2>&1 </dev/null; then
        printf 'failed\n\n'
        tail -n 40 "$log"
        die "cannot make $dir; the whole log is $log"
    fi
    echo "done ($(($(date +%s) - begun)) s)"
}

prepare() {
    # what a chroot has to say that was made by this script as it is
    made="$release, made in the way 1"
    mkdir -p "$chroots"
    exec 8>"$dir.lock"
    if ! flock -n 8; then
        echo "Waiting for another run in $dir"
        flock 8
    fi
    if ! is_whole; then
        rm -rf --one-file-system "$dir.made" "$dir"
        logged "Making a Debian ($release) in $dir" make
        echo "$made" >"$dir.made"
    elif [ "$release" = testing ]; then
        # it moves on
        logged "Upgrading the Debian ($release) in $dir" upgrade
    fi
}

case ${1-} in
--inside)
    shift
    inside "$@"
    exit
    ;;
bookworm | bookworm-backports | trixie | testing) ;;
-h | --help | help)
    usage
    exit
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
[ "$(id -u)" = 0 ] || die "run this as root"
release=$1
shift
chroots=${POP3_POLICY_CHROOTS:-/var/cache/dovecot-pop3-policy}
dir=$chroots/$release
prepare
isolated run "$release" "$dir" "$@"
