#!/bin/sh
# Fail unless doc/parameters.md has a section for every parameter of the
# engine's table, in its order, with the built-in value and what is allowed as
# the engine has them, a type, a valid example, and whether it acts; and no
# section for anything else.
#
# usage: check-docs-parameters.sh [LIST-PARAMETERS [PARAMETERS.MD]]

list=${1:-./list-parameters}
doc=${2:-${top_srcdir:?}/doc/parameters.md}

table=$("$list") || exit 1
test -n "$table" || { echo "$list printed nothing" >&2; exit 1; }

# the examples are values that the engine takes
sed -n 's/^- Example: `\(.*\)`$/\1/p' "$doc" | {
	failed=0
	while IFS= read -r example; do
		"$list" "$example" >/dev/null || {
			echo "$doc: the example $example is wrong"
			failed=1
		}
	done
	exit $failed
} || exit 1

printf '%s\n' "$table" | awk -v doc="$doc" '
function complain(text) {
	print doc ": " text
	failed = 1
}
function want(name, line) {
	if (!((name, line) in has))
		complain(name ": no line \"" line "\"")
}
BEGIN {
	# the sections and their lines
	section = ""
	while ((ret = (getline line < doc)) > 0) {
		if (line ~ /^#/)
			section = ""
		if (line ~ /^### /) {
			section = substr(line, 5)
			if (section in sections)
				complain(section ": described twice")
			sections[section] = 1
			order[++section_count] = section
		} else if (section != "") {
			has[section, line] = 1
			if (line ~ /^- Type: ./)
				types[section] = 1
			if (index(line, "- Example: `" section "=") == 1)
				examples[section] = 1
			if (line == "- Acts: yes" ||
			    line ~ /^- Acts: (.+; )?Not acting in this release/)
				acts[section] = 1
			if (line ~ /^[A-Z]/)
				meanings[section] = 1
		}
	}
	if (ret < 0) {
		complain("cannot be read")
		exit
	}
	FS = "\t"
}
{
	name = $1
	known[name] = 1
	if (!(name in sections)) {
		complain(name ": has no section")
		next
	}
	if (order[NR] != name)
		complain(name ": is not section number " NR)
	want(name, "- Allowed: " $4)
	want(name, "- Built-in: `" $3 "`")
	if (!(name in types))
		complain(name ": has no type")
	if (!(name in examples))
		complain(name ": has no example")
	if (!(name in acts))
		complain(name ": does not say whether it acts")
	if (!(name in meanings))
		complain(name ": has no meaning")
}
END {
	for (name in sections) {
		if (!(name in known))
			complain(name ": there is no such parameter")
	}
	exit failed
}'
