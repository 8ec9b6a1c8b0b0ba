#!/bin/sh
# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
#
# Run the test suite on several Debians: see usage() below.

set -eu

usage() {
    cat <<TEXT
Usage: tests/check-on.sh [native | RELEASE]...

Runs \`./quickstart check' on this machine (native) or in a chroot (RELEASE,
see tests/chroot.sh), one after the other, whatever becomes of any. What it
prints is marked by its name. At the end come a table, the skipped tests, and
one line that sums up. Run this as root.
TEXT
}

top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/build/check-on

# title NAME
title() {
    case $1 in
    native) (. /etc/os-release && echo "${NAME%% *} $VERSION_ID") ;;
    bookworm) echo "Debian 12 chroot" ;;
    bookworm-backports) echo "Debian 12 chroot, backports" ;;
    trixie) echo "Debian 13 chroot" ;;
    *) echo "Debian $1 chroot" ;;
    esac
}

# mark TEXT: put it before each line, as soon as something of that is there.
# (Perl is a part of every Debian; others would wait for the line's end.)
mark() {
    perl -e '
        my ($mark, $start) = ("$ARGV[0] | ", 1);
        $| = 1;
        while (sysread STDIN, my $data, 4096) {
            for my $line (split /(?<=\n)/, $data) {
                print $mark if $start;
                print $line;
                $start = $line =~ /\n\z/;
            }
        }
        print "\n" unless $start;' "$1"
}

# check NAME: run it, keeping what it says in a file. It ends when this script
# is killed.
check() {
    case $1 in
    native) set -- "$1" "$top/quickstart" check ;;
    *) set -- "$1" "$top/tests/chroot.sh" "$1" ./quickstart check ;;
    esac
    name=$1
    shift
    echo
    begun=$(date +%s)
    mkfifo "$out/$name.pipe"
    tee "$out/$name.log" <"$out/$name.pipe" | mark "$(title "$name")" &
    status=0
    setpriv --pdeathsig TERM "$@" >"$out/$name.pipe" 2>&1 </dev/null ||
        status=$?
    wait
    rm "$out/$name.pipe"
    echo $status >"$out/$name.status"
    echo $((($(date +%s) - begun + 30) / 60)) >"$out/$name.minutes"
}

counts='[0-9]* passed, [0-9]* failed, [0-9]* skipped'

# evaluate NAME: sets what ran, passed, failed, skipped and minutes. A check
# that did not get as far as to count, or that failed and counted no failure,
# has failed once.
evaluate() {
    minutes=$(cat "$out/$1.minutes")
    status=$(cat "$out/$1.status")
    line=$(grep -x ".*: $counts" "$out/$1.log" | tail -n 1)
    ran=${line%: *}
    # shellcheck disable=SC2046
    set -- $(echo "${line##*: }" | tr -cs 0-9 ' ')
    passed=${1:-0} failed=${2:-0} skipped=${3:-0}
    if [ "$failed" = 0 ] && { [ "$status" != 0 ] || [ "$passed" = 0 ]; }; then
        failed=1
    fi
}

# row TITLE DOVECOT POSTGRESQL PASSED FAILED SKIPPED MINUTES
row() {
    printf '%-28s %-12s %-11s %7s %7s %8s %8s\n' "$@"
}

case ${1--h} in
-h | --help | help)
    usage
    exit
    ;;
esac
mkdir -p "$out"
for name; do
    rm -f "$out/$name".*
done
for name; do
    check "$name"
done

echo
row '' Dovecot PostgreSQL passed failed skipped minutes
all_passed=0 all_failed=0 all_skipped=0
for name; do
    evaluate "$name"
    dovecot=${ran#*Dovecot }
    row "$(title "$name")" "${dovecot%%,*}" "${ran##*PostgreSQL }" \
        "$passed" "$failed" "$skipped" "$minutes"
    all_passed=$((all_passed + passed))
    all_failed=$((all_failed + failed))
    all_skipped=$((all_skipped + skipped))
done
echo
for name; do
    sed -n "s/^skipped in /$(title "$name"): &/p" "$out/$name.log"
done
echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
[ "$all_failed" = 0 ] && [ "$all_passed" -gt 0 ]
